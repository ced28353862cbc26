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

{{- define "pagos.daprTexts" -}}
{{- if ne .Values.broker.component "none" }}
{{- $file := printf "files/dapr-components/%s/pubsub.yaml" .Values.broker.component }}
{{- $text := .Files.Get $file | required (printf "broker.component %q: the chart has no %s" .Values.broker.component $file) }}
{{ include "pagos.daprComponent" (list $text "broker") }}
{{- with .Files.Get (printf "files/dapr-components/%s/subscriptions.yaml" .Values.broker.component) }}
---
{{ . }}
{{- end }}
{{- end }}
{{- if ne .Values.store.component "none" }}
{{- $file := printf "files/dapr-components/%s/statestore.yaml" .Values.store.component }}
{{- $text := .Files.Get $file | required (printf "store.component %q: the chart has no %s" .Values.store.component $file) }}
{{ include "pagos.daprComponent" (list $text "statestore") }}
{{- end }}
---
{{ .Files.Get "files/dapr-components/local/resiliency.yaml" }}
{{- end }}
