"""A job that asks the exporter at the socket in argv[1] all that the client can ask, and prints the answers as JSON."""

import json
import queue
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(sys.argv[2]).parent))
import xe_exporter_jobs as jobs

path = sys.argv[1]
out_of_memory = queue.Queue()
with jobs.on_out_of_memory(out_of_memory.put, path):
    told = out_of_memory.get(timeout=120)
heard = next(event for event in jobs.events(path, after=told.id) if event.out_of_memory)
last = jobs.last(path)
answers = {
    "told": [told.name, told.device, told.attributes["k8s.pod.name"]],
    "heard": [heard.name, heard.device, heard.attributes["k8s.pod.name"]],
    "isAnother": heard.id != told.id,
    "last": [last.reason, last.event.attributes["k8s.pod.name"]],
    "devices": [device.pci_bdf for device in jobs.devices(path)],
}
print(json.dumps(answers))
