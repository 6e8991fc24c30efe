{
  'variables': {
    # Set by build.mjs --sanitize: 'address', 'undefined' or empty.
    'sanitize%': '',
  },
  'targets': [
    {
      'target_name': 'xe_exporter',
      'sources': [
        'src/addon.cc',
        'src/arguments.cc',
        'src/async_task.cc',
        'src/batch_queue.cc',
        'src/blocking_reads.cc',
        'src/device_reads.cc',
        'src/directory_watch_object.cc',
        'src/js_callback.cc',
        'src/js_wake_up.cc',
        'src/kmsg_protocol.cc',
        'src/message_reader_object.cc',
        'src/message_thread.cc',
        'src/native_thread.cc',
        'src/netlink_answer.cc',
        'src/notification_source.cc',
        'src/peer_listener_object.cc',
        'src/pipe_poller.cc',
        'src/reader_object.cc',
        'src/reader_thread.cc',
        'src/trace_protocol.cc',
        'src/uevent_protocol.cc',
        'src/fake/fake_message_device.cc',
        'src/fake/fake_pipe.cc',
        'src/linux/borrow_fd.cc',
        'src/linux/children.cc',
        'src/linux/copy_file.cc',
        'src/linux/directory_watch.cc',
        'src/linux/drm_fd_scan.cc',
        'src/linux/drm_memory.cc',
        'src/linux/fd_limit.cc',
        'src/linux/generic_netlink.cc',
        'src/linux/kernel_ring.cc',
        'src/linux/kmsg_device.cc',
        'src/linux/peer_socket.cc',
        'src/linux/probe.cc',
        'src/linux/process_stat.cc',
        'src/linux/read_file.cc',
        'src/linux/trace_pipe.cc',
        'src/linux/uevent_socket.cc',
        'src/linux/watch_queue.cc',
        'src/linux/xe_watch.cc',
      ],
      'include_dirs': [
        "<!(node -p \"require('node-addon-api').include_dir\")",
      ],
      'defines': [
        # Node-API only, so one build loads in every Node from 20 on.
        'NAPI_VERSION=8',
        # What the kernel refuses is a value here, never an exception; only TypeErrors are thrown, at the JS boundary.
        'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
        # A promise settled while its worker terminates cannot throw: drop it instead of aborting the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # Not an include_dir: src/linux must not stand in front of the kernel's <linux/...>. Relative to build/.
      'cflags': ['-iquote', '../src', '-Wall', '-Wextra', '-fvisibility=hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++1y'],
      'cflags_cc': ['-std=c++20', '-fno-exceptions', '-fno-rtti', '-Wno-missing-field-initializers'],
      # A read that hangs can outlive the last environment that has the addon loaded: its code must stay.
      'ldflags': ['-Wl,-z,nodelete'],
      'conditions': [
        ["sanitize!=''", {
          # Warnings are errors here, where we see them, and not on the machine of a user with a newer compiler.
          'cflags': ['-Werror', '-fsanitize=<(sanitize)', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all', '-g', '-O1'],
          'ldflags': ['-fsanitize=<(sanitize)'],
        }],
      ],
    },
  ],
}
