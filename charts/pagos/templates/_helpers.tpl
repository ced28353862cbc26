{{/* The applications with a Dapr sidecar: app id, its key in the values, its port. */}}
{{- define "pagos.apps" -}}
bff: {key: bff, port: 8003}
gestion-clientes: {key: gestionClientes, port: 5000}
integracion-pagos: {key: integracionPagos, port: 7000}
notificaciones: {key: notificaciones, port: 6000}
operator: {key: operator, port: 8080}
{{- end }}

{{/* What an application is told: the defaults, and its own values over them. Takes (root, key). */}}
{{- define "pagos.settings" -}}
{{- $root := index . 0 -}}
{{- mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (index $root.Values (index . 1))) | toYaml -}}
{{- end }}

{{/* Where a pod may run, and whom it may push aside. Takes settings. */}}
{{- define "pagos.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The same of a pod without replicas: it goes to the same nodes, and keeps away from nobody. On a small cluster there might be
no node left for it. */}}
{{- define "pagos.placementOfOne" -}}
{{- include "pagos.placement" (set (omit . "affinity") "affinity" (pick (.affinity | default dict) "nodeAffinity")) -}}
{{- end }}

{{/* How many pods an application has while an autoscaler decides: as many as there are, so that an upgrade takes none of them away.
Left out, it would be one when autoscaling is turned on: what a manifest no longer says gets its default.
Takes (root, app, its settings of autoscaling). */}}
{{- define "pagos.scaled" -}}
{{- $root := index . 0 -}}
{{- $autoscaling := index . 2 -}}
{{- $live := lookup "apps/v1" "Deployment" $root.Release.Namespace (index . 1) | default dict -}}
{{- min $autoscaling.maxReplicas (max $autoscaling.minReplicas (dig "spec" "replicas" 0 $live)) -}}
{{- end }}

{{/* Labels of a thing. Takes (root, component). */}}
{{- define "pagos.labels" -}}
{{- $root := index . 0 -}}
{{ include "pagos.selector" . }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/* Labels that select it. Takes (root, component). */}}
{{- define "pagos.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/part-of: pagos
{{- end }}

{{/* Labels of a pod that a newer chart should not replace for its number's sake. Takes (root, component). */}}
{{- define "pagos.quietLabels" -}}
{{ include "pagos.selector" . }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* One of our images. Takes (root, binary). */}}
{{- define "pagos.image" -}}
{{- $image := (index . 0).Values.image -}}
{{ $image.registry }}{{ $image.repository }}/{{ index . 1 }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end }}

{{/* Whether the simulated gateway takes the payments: then no money moves. Something or nothing. */}}
{{- define "pagos.simulated" -}}
{{- $pagos := .Values.integracionPagos -}}
{{- if and .Values.pasarelaSimulada.enabled (eq $pagos.pasarela "simulada") (not $pagos.pasarelaUrl) }}yes{{ end }}
{{- end }}

{{- define "pagos.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Pod security `restricted`. Takes the user id. */}}
{{- define "pagos.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
# A large volume is not walked at every start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "pagos.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where spans go, or nothing. */}}
{{- define "pagos.otlp" -}}
{{- if .Values.tracing.endpoint -}}
{{ .Values.tracing.endpoint }}
{{- else if .Values.jaeger.enabled -}}
http://jaeger:4317
{{- end -}}
{{- end }}

{{/* Environment that all of our binaries share. Takes (root, port). */}}
{{- define "pagos.env" -}}
{{- $root := index . 0 -}}
- {name: PORT, value: {{ index . 1 | quote }}}
- {name: RUST_LOG, value: {{ $root.Values.log.filter | quote }}}
- {name: LOG_FORMAT, value: {{ $root.Values.log.format | quote }}}
{{- with include "pagos.otlp" $root }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* Who may ask. */}}
{{- define "pagos.auth" -}}
{{- $auth := .Values.auth -}}
- {name: AUTH, value: {{ $auth.mode | quote }}}
{{- if eq $auth.mode "jwt" }}
- {name: JWT_ISSUER, value: {{ $auth.issuer | quote }}}
- {name: JWT_AUDIENCE, value: {{ $auth.audience | quote }}}
- {name: JWKS_URL, value: {{ $auth.jwksUrl | quote }}}
- {name: JWT_ALGORITHMS, value: {{ join "," $auth.algorithms | quote }}}
- {name: JWT_CLIENT_CLAIM, value: {{ $auth.clientClaim | quote }}}
- {name: JWT_ROLES_CLAIM, value: {{ $auth.rolesClaim | quote }}}
- {name: JWT_OPERATOR_ROLE, value: {{ $auth.operatorRole | quote }}}
{{- end }}
{{- end }}

{{/* Which other release brought the definition of PaymentSaga that the cluster has; nothing where it is ours or there is none. */}}
{{- define "pagos.definitionOfOther" -}}
{{- $existing := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "paymentsagas.pagos.saludtech.dev" | default dict -}}
{{- $owner := dig "metadata" "annotations" dict $existing -}}
{{- $release := index $owner "meta.helm.sh/release-name" | default .Release.Name -}}
{{- $namespace := index $owner "meta.helm.sh/release-namespace" | default .Release.Namespace -}}
{{- if or (ne $release .Release.Name) (ne $namespace .Release.Namespace) -}}
{{ $release }} in namespace {{ $namespace }}
{{- end -}}
{{- end }}

{{/* A value of a Secret that is there already, else a new one. Takes (root, secret, key). */}}
{{- define "pagos.kept" -}}
{{- $root := index . 0 -}}
{{- $old := lookup "v1" "Secret" $root.Release.Namespace (index . 1) -}}
{{- $data := ($old | default dict).data | default dict -}}
{{- if hasKey $data (index . 2) -}}
{{ index $data (index . 2) | b64dec }}
{{- else -}}
{{ randAlphaNum 40 }}
{{- end -}}
{{- end }}

{{/* Passwords stay as long as the volumes that they open. */}}
{{- define "pagos.keepWithVolumes" -}}
{{- if and .Values.persistence.enabled (eq .Values.persistence.whenDeleted "Retain") -}}
helm.sh/resource-policy: keep
{{- end -}}
{{- end }}

{{/* The volume /data of a StatefulSet without persistence; nothing with it. */}}
{{- define "pagos.emptyData" -}}
{{- if not .Values.persistence.enabled -}}
- name: data
  emptyDir: {}
{{- end -}}
{{- end }}

{{/* The volume /data of a StatefulSet with persistence. Takes (root, size). */}}
{{- define "pagos.claims" -}}
{{- $persistence := (index . 0).Values.persistence -}}
{{- if $persistence.enabled }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ $persistence.whenDeleted }}
  whenScaled: Retain
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with $persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ index . 1 }}
{{- end }}
{{- end }}
