# From "bpftool btf dump file /sys/kernel/btf/xe format raw" to the parameters of the test module: sizes of structures and offsets
# of members, in bytes. A line of a structure is [12] STRUCT 'xe_vm' size=1000 vlen=40, a line of a member
# 'xef' type_id=123 bits_offset=64; a member of an unnamed structure is found through the type of the outer member.
function unquote(word) { return substr(word, 2, length(word) - 2) }
function value(word) { return substr(word, index(word, "=") + 1) }

/^\[/ {
  id = substr($1, 2, length($1) - 2)
  kind = $2
  if (kind == "STRUCT" && !(unquote($3) in struct)) {
    struct[unquote($3)] = id
    size[unquote($3)] = value($4)
  }
  next
}
kind == "STRUCT" && /bits_offset=/ {
  type[id, unquote($1)] = value($2)
  offset[id, unquote($1)] = value($3) / 8
}

function at(name, member, inner,    id, sum) {
  id = struct[name]
  if (!((id, member) in offset)) { missing = missing " " name "." member; return 0 }
  sum = offset[id, member]
  if (inner == "") return sum
  id = type[id, member]
  if (!((id, inner) in offset)) { missing = missing " " name "." member "." inner; return 0 }
  return sum + offset[id, inner]
}

END {
  printf "vm_size=%d xef_size=%d", size["xe_vm"], size["xe_file"]
  printf " vm_xe=%d vm_xef=%d vm_flags=%d", at("xe_vm", "xe"), at("xe_vm", "xef"), at("xe_vm", "flags")
  printf " vm_asid=%d vm_exec_queues=%d", at("xe_vm", "usm", "asid"), at("xe_vm", "preempt", "exec_queues")
  printf " xef_drm=%d xef_pid=%d", at("xe_file", "drm"), at("xe_file", "pid")
  printf " xef_process_name=%d xe_drm=%d", at("xe_file", "process_name"), at("xe_device", "drm")
  printf " bo_bytes=%d bo_bdev=%d xe_ttm=%d", size["xe_bo"], at("xe_bo", "ttm") + at("ttm_buffer_object", "bdev"), at("xe_device", "ttm")
  # Before 6.16 or so, xe has the size in a member of its own, too, and traces that.
  printf " bo_size=%d", at("xe_bo", "ttm") + at("ttm_buffer_object", "base") + at("drm_gem_object", "size")
  printf " bo_own_size=%d\n", (struct["xe_bo"], "size") in offset ? offset[struct["xe_bo"], "size"] : 0
  if (missing != "") { print "not in the BTF of xe:" missing > "/dev/stderr"; exit 1 }
}
