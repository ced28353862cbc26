{{/*
Components and Resiliency, word for word as they stand in dapr-components/, with one difference: a value that holds a
${PLACEHOLDER} is read from a Secret, under the name of its entry. So the Secret `broker` of pubsub.rabbitmq has the key
connectionString, and that of pubsub.redis the keys redisHost and redisPassword.
*/}}
{{- define "pagos.daprComponent" -}}
{{- $secret := index . 1 -}}
---
{{ regexReplaceAll "- name: (\\S+)\\n      value: [\"'].*\\$\\{.*[\"']" (index . 0) (printf "- name: ${1}\n      secretKeyRef: {name: %s, key: ${1}}" $secret) }}
auth:
  secretStore: kubernetes
{{- end }}

{{/* A file of dapr-components/, which must be there: without Resiliency all would start, and a message that fails once be given
up. Takes (root, its path). */}}
{{- define "pagos.daprFile" -}}
{{- $file := printf "files/dapr-components/%s" (index . 1) -}}
{{- (index . 0).Files.Get $file | required (printf "\n\nThe chart has no %s. files/dapr-components is a symbolic link, and whatever fetched the chart left it out: use a package, since helm package follows it.\n" $file) -}}
{{- end }}

{{- define "pagos.daprTexts" -}}
{{- if ne .Values.broker.component "none" }}
{{ include "pagos.daprComponent" (list (include "pagos.daprFile" (list . (printf "%s/pubsub.yaml" .Values.broker.component))) "broker") }}
{{- with .Files.Get (printf "files/dapr-components/%s/subscriptions.yaml" .Values.broker.component) }}
---
{{ . }}
{{- end }}
{{- end }}
{{- if ne .Values.store.component "none" }}
{{ include "pagos.daprComponent" (list (include "pagos.daprFile" (list . (printf "%s/statestore.yaml" .Values.store.component))) "statestore") }}
{{- end }}
---
{{ include "pagos.daprFile" (list . "local/resiliency.yaml") }}
{{- end }}
