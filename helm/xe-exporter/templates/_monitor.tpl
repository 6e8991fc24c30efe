{{- /* One endpoint of a ServiceMonitor or PodMonitor, from its values. */}}
{{- define "xe-exporter.endpoint" -}}
port: metrics
path: /metrics
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
scheme: {{ .scheme }}
{{- with .proxyUrl }}
proxyUrl: {{ . }}
{{- end }}
# The labels of the pod that was hit have names of their own: none of them meets one of the target.
honorLabels: false
{{- with .tlsConfig }}
tlsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .basicAuth }}
basicAuth: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .authorization }}
authorization: {{- toYaml . | nindent 2 }}
{{- end }}
relabelings:
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
  # The alert rules find the exporters by it, whatever the release is called.
  - targetLabel: job
    replacement: xe-exporter
  {{- with .relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The rest of a monitor beside its endpoints. Its namespace may be that of Prometheus. */}}
{{- define "xe-exporter.monitorSpec" -}}
{{- with .monitor }}
{{- if .namespace }}
namespaceSelector:
  matchNames: [{{ include "xe-exporter.namespace" $.root }}]
{{- end }}
{{- with .podTargetLabels }}
podTargetLabels: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .attachMetadata }}
attachMetadata: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $limit := list "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" }}
{{- with get $.monitor $limit }}
{{ $limit }}: {{ . | int64 }}
{{- end }}
{{- end }}
{{- end }}
selector:
  matchLabels: {{- include "xe-exporter.selectorLabels" .root | nindent 4 }}
{{- end }}

{{- define "xe-exporter.monitorMetadata" -}}
{{- with .values }}
name: {{ include "xe-exporter.fullname" $.root }}
namespace: {{ default (include "xe-exporter.namespace" $.root) .namespace }}
labels:
  {{- include "xe-exporter.labels" $.root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
