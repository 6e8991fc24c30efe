#include "js_callback.h"

namespace xe {

// The plain C calls: node-addon-api's abort the process when JavaScript throws null or undefined
// (seen up to 8.9.0).
void CallJs(napi_env env, napi_value function, std::initializer_list<napi_value> arguments) {
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  if (napi_call_function(env, undefined, function, arguments.size(), arguments.begin(), nullptr) !=
      napi_pending_exception) {
    return;
  }
  // Node 20 would only warn about an exception left pending here. A terminating worker reports one
  // without there being any.
  bool pending = false;
  napi_value exception;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &exception) == napi_ok) {
    napi_fatal_exception(env, exception);
  }
}

}  // namespace xe
