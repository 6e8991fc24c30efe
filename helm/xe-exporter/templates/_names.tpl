{{- define "xe-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "xe-exporter.fullname" -}}
{{- $name := include "xe-exporter.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "xe-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "xe-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "xe-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "xe-exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "xe-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "xe-exporter.serviceAccountName" -}}
{{- default (.Values.serviceAccount.create | ternary (include "xe-exporter.fullname" .) "default") .Values.serviceAccount.name }}
{{- end }}

{{- define "xe-exporter.image" -}}
{{- $repository := .Values.image.repository }}
{{- with (.Values.global | default dict).imageRegistry }}
{{- /* A first part with a dot or a colon is a registry. */}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") }}
{{- end }}
{{- with .Values.image -}}
{{- not (empty .digest) | ternary (printf "%s@%s" $repository .digest) (printf "%s:%s" $repository (default $.Chart.AppVersion .tag)) }}
{{- end }}
{{- end }}

{{- define "xe-exporter.imagePullSecrets" -}}
{{- with concat ((.Values.global | default dict).imagePullSecrets | default list) .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* A duration of the exporter ("5s", "1.5m", "250ms") in whole seconds, rounded up. */}}
{{- define "xe-exporter.seconds" -}}
{{- $number := regexFind "^[0-9.]+" . | float64 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- ceil (mulf $number (get (dict "ms" 0.001 "s" 1.0 "m" 60.0) $unit)) | int }}
{{- end }}
