{{- /* Combinations of values that the schema cannot reject. Each message says what to change. */}}
{{- define "xe-exporter.check" -}}
{{- $values := .Values }}
{{- $longest := include "xe-exporter.longestScrapeInterval" . | int }}
{{- range $name := list "serviceMonitor" "podMonitor" }}
{{- $monitor := get $values $name }}
{{- if and $monitor.enabled (gt (include "xe-exporter.seconds" $monitor.interval | int) $longest) }}
{{- fail (printf "%s.interval is %s, but the alert rules need four scrapes in every window: set it to %ds or less." $name $monitor.interval $longest) }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor are both enabled, so every exporter would be scraped twice: disable one of them." }}
{{- end }}
{{- if and .Values.sources.simulator.enabled (ne .Values.posture "full") }}
{{- fail "sources.simulator.enabled needs posture full. The simulator gets no privileges in that posture either." }}
{{- end }}
{{- if and (eq .Values.posture "trace") (eq (toString .Values.sources.trace.enabled) "off" "false") }}
{{- fail "posture trace needs the driver's trace: set sources.trace.enabled to auto, or set posture to full or device-only." }}
{{- end }}
{{- if and (ne .Values.posture "full") (or (ne .Values.deviceAccess.method "none") (eq .Values.mode "watch_queue")) }}
{{- fail "postures trace and device-only do not watch GPU clients: set mode to auto and deviceAccess.method to none, or set posture to full." }}
{{- end }}
{{- if and .Values.jobs.enabled (eq .Values.posture "device-only") }}
{{- fail "jobs.enabled needs uid 0 to create the socket and the host's pid namespace to see who connects: set posture to full or trace." }}
{{- end }}
{{- if and .Values.jobs.enabled .Values.sources.simulator.enabled }}
{{- fail "jobs.enabled and sources.simulator.enabled exclude each other: the simulator would answer a real job with the events of a simulated one." }}
{{- end }}
{{- if and .Values.events.kubernetesNodeCondition .Values.sources.simulator.enabled }}
{{- fail "events.kubernetesNodeCondition and sources.simulator.enabled exclude each other: a simulated fault would mark a real node as unfit." }}
{{- end }}
{{- $nameless := or (eq .Values.posture "device-only") (has (toString .Values.attribution.kubernetes) (list "off" "false")) }}
{{- if and .Values.events.kubernetesEvents $nameless (not .Values.sources.simulator.enabled) }}
{{- fail "events.kubernetesEvents needs pod names: set posture to full or trace, and attribution.kubernetes to auto, api or node." }}
{{- end }}
{{- $deaf := or (eq .Values.mode "watch_queue") (has (toString .Values.sources.uevent.enabled) (list "off" "false")) }}
{{- if and .Values.coredumps.enabled $deaf }}
{{- fail "coredumps.enabled needs uevents, because they announce coredumps: set sources.uevent.enabled and mode to auto." }}
{{- end }}
{{- if and .Values.web.existingSecret (eq .Values.web.healthPort .Values.metrics.port) }}
{{- fail "web.healthPort and metrics.port are both the same port, but the probes need one without authentication: change one of them." }}
{{- end }}
{{- if and (eq .Values.deviceAccess.method "dra") (semverCompare "<1.34.0-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "deviceAccess.method dra needs Kubernetes 1.34 or newer (resource.k8s.io/v1), but this is %s: upgrade it, or set deviceAccess.method to plugin." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
