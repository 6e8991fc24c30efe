{{- /* What the exporter runs with: the values, with what the posture switches off. JSON. */}}
{{- define "xe-exporter.effective" -}}
{{- $values := deepCopy .Values }}
{{- include "xe-exporter.restoreOff" $values }}
{{- if eq .Values.posture "device-only" }}
{{- $_ := set $values "mode" "fallback" }}
{{- $_ := set $values.sources.kmsg "enabled" "off" }}
{{- $_ := set $values.sources.trace "enabled" "off" }}
{{- $_ := set $values.discovery "method" "proc" }}
{{- $_ := set $values.attribution "kubernetes" "off" }}
{{- $_ := set $values.metrics "memoryInterval" "off" }}
{{- end }}
{{- if eq .Values.posture "trace" }}
{{- $_ := set $values "mode" "fallback" }}
{{- $_ := set $values.discovery "method" "proc" }}
{{- $_ := set $values.metrics "memoryInterval" "off" }}
{{- end }}
{{- toJson $values }}
{{- end }}

{{- /* Names of the features that are on, as in the privilege table. JSON: {"names": [...]}. */}}
{{- define "xe-exporter.features" -}}
{{- $values := include "xe-exporter.effective" . | fromJson }}
{{- $names := list }}
{{- if $values.events.kubernetesEvents }}{{ $names = append $names "kubernetes_events" }}{{ end }}
{{- if $values.events.kubernetesNodeCondition }}{{ $names = append $names "kubernetes_node_condition" }}{{ end }}
{{- if $values.otlp.endpoint }}{{ $names = append $names "otlp" }}{{ end }}
{{- if and $values.otlp.endpoint $values.otlp.metrics }}{{ $names = append $names "otlp_metrics" }}{{ end }}
{{- if $values.jobs.enabled }}{{ $names = append $names "jobs" }}{{ end }}
{{- if not $values.sources.simulator.enabled }}
{{- if and (ne $values.mode "fallback") (ne $values.sources.watchQueue.ioctl "off") }}{{ $names = append $names "watch_queue" }}{{ end }}
{{- if and (ne $values.mode "watch_queue") (ne $values.sources.kmsg.enabled "off") }}{{ $names = append $names "kmsg" }}{{ end }}
{{- if and (ne $values.mode "watch_queue") (ne $values.sources.trace.enabled "off") }}{{ $names = append $names "trace" }}{{ end }}
{{- if and (ne $values.mode "watch_queue") (ne $values.sources.uevent.enabled "off") }}{{ $names = append $names "uevent" }}{{ end }}
{{- if include "xe-exporter.coredumps" . }}{{ $names = append $names "coredumps" }}{{ end }}
{{- if ne $values.metrics.rasInterval "off" }}{{ $names = append $names "ras" }}{{ end }}
{{- if eq $values.posture "full" }}
{{- $names = append $names "discovery_proc" }}
{{- if ne $values.discovery.method "proc" }}{{ $names = append $names "discovery_debugfs" }}{{ end }}
{{- end }}
{{- if ne $values.metrics.memoryInterval "off" }}{{ $names = append $names "memory" }}{{ end }}
{{- if ne $values.attribution.kubernetes "off" }}{{ $names = append $names "kubernetes" }}{{ end }}
{{- end }}
{{- dict "names" $names | toJson }}
{{- end }}

{{- /* Where the pod has the folder that coredumps are copied to; empty when they are not. */}}
{{- define "xe-exporter.coredumps" -}}
{{- if and .Values.coredumps.enabled (not .Values.sources.simulator.enabled) -}}
/var/lib/xe-exporter/coredumps
{{- end }}
{{- end }}

{{- /*
What the features need together, from the privilege table. JSON:
{"capabilities": [...], "hostPid": bool, "mounts": [...], "writableMounts": [...], "apiRules": [...], "uid": number}
*/}}
{{- define "xe-exporter.needs" -}}
{{- $values := include "xe-exporter.effective" . | fromJson }}
{{- $table := include "xe-exporter.privilegeTable" . | fromJson }}
{{- $capabilities := list }}
{{- $hostPid := false }}
{{- $root := false }}
{{- $mounts := list }}
{{- $writableMounts := list }}
{{- $apiRules := list }}
{{- range (include "xe-exporter.features" . | fromJson).names }}
{{- $row := get $table . }}
{{- $capabilities = concat $capabilities $row.capabilities }}
{{- $hostPid = or $hostPid $row.hostPid }}
{{- $root = or $root $row.root }}
{{- $writableMounts = concat $writableMounts $row.writableMounts }}
{{- $mounts = concat $mounts $row.mounts }}
{{- if and $row.optionalMounts (eq $values.attribution.kubernetes "node") }}
{{- $mounts = concat $mounts $row.optionalMounts }}
{{- else }}
{{- $apiRules = concat $apiRules $row.rbac }}
{{- end }}
{{- end }}
{{- $capabilities = $capabilities | uniq | sortAlpha }}
{{- /* A container runtime hands added capabilities to uid 0 only. */}}
{{- $uid := and (empty $capabilities) (not $root) | ternary (include "xe-exporter.unprivilegedUid" . | int) 0 }}
{{- dict "capabilities" $capabilities "hostPid" $hostPid "mounts" ($mounts | uniq) "writableMounts" $writableMounts "apiRules" $apiRules "uid" $uid | toJson }}
{{- end }}

{{- /* Where probes ask: a web configuration file covers every path of the metrics port. */}}
{{- define "xe-exporter.probePort" -}}
{{- empty .Values.web.existingSecret | not | ternary "health" "metrics" }}
{{- end }}
