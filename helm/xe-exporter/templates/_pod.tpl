{{- define "xe-exporter.env" -}}
{{- /* Not a flag, so that "kubectl exec ... -- xe-exporter doctor" judges the same configuration. */}}
- name: XE_EXPORTER_CONFIG
  value: /etc/xe-exporter/config/config.yaml
{{- range $variable, $field := dict "NODE_NAME" "spec.nodeName" "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" }}
- name: {{ $variable }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $field }}
{{- end }}
{{- with .Values.otlp }}
{{- with .protocol }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ . }}
{{- end }}
{{- if .headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .headersSecret.name }}
      key: {{ .headersSecret.key }}
{{- end }}
{{- if .tls.existingSecret }}
{{- range $variable, $key := dict "CERTIFICATE" .tls.caKey "CLIENT_CERTIFICATE" .tls.certKey "CLIENT_KEY" .tls.keyKey }}
{{- if $key }}
- name: OTEL_EXPORTER_OTLP_{{ $variable }}
  value: /etc/xe-exporter/otlp/{{ $key }}
{{- end }}
{{- end }}
{{- end }}
{{- with .resourceAttributes }}
- name: OTEL_RESOURCE_ATTRIBUTES
  {{- $pairs := list }}
  {{- range $name, $value := . }}{{ $pairs = append $pairs (printf "%s=%s" $name (urlquery $value | replace "+" "%20")) }}{{ end }}
  value: {{ join "," $pairs | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Of the container, from what is needed. */}}
{{- define "xe-exporter.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: {{ .uid }}
runAsGroup: {{ .uid }}
runAsNonRoot: {{ ne (int .uid) 0 }}
capabilities:
  drop: [ALL]
  {{- with .capabilities }}
  add: {{ toJson . }}
  {{- end }}
{{- if .hostPid }}
# The default profile lets processes look only into processes under the same profile.
appArmorProfile:
  type: Unconfined
{{- if .openshift }}
# container_t, the usual type on OpenShift, may look into no other process.
seLinuxOptions:
  type: spc_t
{{- end }}
{{- end }}
{{- end }}

{{- define "xe-exporter.resources" -}}
{{- $resources := deepCopy .Values.resources }}
{{- if eq .Values.deviceAccess.method "plugin" }}
{{- $_ := set $resources "limits" (merge (dict .Values.deviceAccess.plugin.resource "1") (default dict $resources.limits)) }}
{{- else if eq .Values.deviceAccess.method "dra" }}
{{- $_ := set $resources "claims" (list (dict "name" "gpus")) }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{- define "xe-exporter.volumeMounts" -}}
- name: config
  mountPath: /etc/xe-exporter/config
  readOnly: true
{{- if .Values.web.existingSecret }}
- name: web
  mountPath: /etc/xe-exporter/web
  readOnly: true
{{- end }}
{{- if .Values.otlp.tls.existingSecret }}
- name: otlp
  mountPath: /etc/xe-exporter/otlp
  readOnly: true
{{- end }}
{{- with include "xe-exporter.coredumps" . }}
- name: coredumps
  mountPath: {{ . }}
{{- end }}
{{- $needs := include "xe-exporter.needs" . | fromJson }}
{{- range $needs.mounts }}
- name: {{ include "xe-exporter.volumeName" . }}
  mountPath: {{ . }}
  readOnly: {{ not (has . $needs.writableMounts) }}
{{- end }}
{{- if .Values.jobs.enabled }}
- name: jobs
  mountPath: /run/xe-exporter
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "xe-exporter.volumes" -}}
- name: config
  configMap:
    name: {{ include "xe-exporter.fullname" . }}
{{- with .Values.web.existingSecret }}
- name: web
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.otlp.tls.existingSecret }}
- name: otlp
  secret:
    secretName: {{ . }}
{{- end }}
{{- if include "xe-exporter.coredumps" . }}
- name: coredumps
  hostPath:
    path: {{ .Values.coredumps.hostPath }}
    type: DirectoryOrCreate
{{- end }}
{{- range (include "xe-exporter.needs" . | fromJson).mounts }}
- name: {{ include "xe-exporter.volumeName" . }}
  hostPath:
    path: {{ . }}
    type: Directory
{{- end }}
{{- if .Values.jobs.enabled }}
- name: jobs
  hostPath:
    path: {{ .Values.jobs.hostPath }}
    type: DirectoryOrCreate
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* /sys/kernel/debug is the volume sys-kernel-debug. */}}
{{- define "xe-exporter.volumeName" -}}
{{- trimPrefix "/" . | replace "/" "-" }}
{{- end }}

{{- define "xe-exporter.affinity" -}}
{{- if .Values.affinity }}
{{- toYaml .Values.affinity }}
{{- else if and .Values.gpuNodesOnly (not .Values.sources.simulator.enabled) -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    # One of them is enough.
    nodeSelectorTerms:
      {{- range .Values.gpuNodeLabels }}
      - matchExpressions:
          - key: {{ . }}
            operator: In
            values: ["true"]
      {{- end }}
{{- end }}
{{- end }}
