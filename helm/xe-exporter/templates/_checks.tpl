{{- /* Combinations of values that the schema cannot refuse. Each message says what to change. */}}
{{- define "xe-exporter.check" -}}
{{- $values := .Values }}
{{- $longest := include "xe-exporter.longestScrapeInterval" . | int }}
{{- range $name := list "serviceMonitor" "podMonitor" }}
{{- $monitor := get $values $name }}
{{- if and $monitor.enabled (gt (include "xe-exporter.seconds" $monitor.interval | int) $longest) }}
{{- fail (printf "%s.interval is %s: the windows of the alert rules need four scrapes, so at most %ds." $name $monitor.interval $longest) }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor are both enabled, which scrapes every exporter twice: disable one." }}
{{- end }}
{{- if and .Values.sources.simulator.enabled (ne .Values.posture "full") }}
{{- fail "sources.simulator.enabled goes with posture full only: the simulator needs no privileges in any posture." }}
{{- end }}
{{- if and (eq .Values.posture "trace") (eq (toString .Values.sources.trace.enabled) "off" "false") }}
{{- fail "posture trace reads the trace of the driver: leave sources.trace.enabled at auto, or set posture to full or device-only." }}
{{- end }}
{{- if and (ne .Values.posture "full") (or (ne .Values.deviceAccess.method "none") (eq .Values.mode "watch_queue")) }}
{{- fail "postures trace and device-only watch no clients: leave mode at auto and deviceAccess.method at none, or set posture to full." }}
{{- end }}
{{- if and .Values.jobs.enabled (eq .Values.posture "device-only") }}
{{- fail "jobs.enabled needs uid 0 and the host's pid namespace, to make the socket and to see who connects: set posture to full or trace." }}
{{- end }}
{{- if and .Values.jobs.enabled .Values.sources.simulator.enabled }}
{{- fail "jobs.enabled goes with real jobs only: on a simulated node whoever asks is taken for a made-up one." }}
{{- end }}
{{- if and .Values.events.kubernetesNodeCondition .Values.sources.simulator.enabled }}
{{- fail "events.kubernetesNodeCondition goes with real GPUs only: the simulator would mark a real node by the health of made-up ones." }}
{{- end }}
{{- $nameless := or (eq .Values.posture "device-only") (has (toString .Values.attribution.kubernetes) (list "off" "false")) }}
{{- if and .Values.events.kubernetesEvents $nameless (not .Values.sources.simulator.enabled) }}
{{- fail "events.kubernetesEvents needs the names of pods: set posture to full and attribution.kubernetes to auto, api or node." }}
{{- end }}
{{- $deaf := or (eq .Values.mode "watch_queue") (has (toString .Values.sources.uevent.enabled) (list "off" "false")) }}
{{- if and .Values.coredumps.enabled $deaf }}
{{- fail "coredumps.enabled needs uevents, which announce coredumps: leave sources.uevent.enabled and mode at auto." }}
{{- end }}
{{- if and .Values.web.existingSecret (eq .Values.web.healthPort .Values.metrics.port) }}
{{- fail "web.healthPort and metrics.port are the same: probes need a port without authentication of their own." }}
{{- end }}
{{- if and (eq .Values.deviceAccess.method "dra") (semverCompare "<1.34.0-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "deviceAccess.method dra needs resource.k8s.io/v1, which Kubernetes %s does not have: 1.34 or newer, or method plugin." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
