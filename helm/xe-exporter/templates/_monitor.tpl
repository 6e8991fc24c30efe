{{- /* One endpoint of a ServiceMonitor or PodMonitor, from its values. */}}
{{- define "xe-exporter.endpoint" -}}
port: metrics
path: /metrics
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
scheme: {{ .scheme }}
# The labels of the pod that was hit have names of their own: none of them meets one of the target.
honorLabels: false
{{- with .tlsConfig }}
tlsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .basicAuth }}
basicAuth: {{- toYaml . | nindent 2 }}
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

{{- define "xe-exporter.monitorMetadata" -}}
name: {{ include "xe-exporter.fullname" .root }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "xe-exporter.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
