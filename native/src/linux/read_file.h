#pragma once

#include <string>

#include "failure.h"

namespace xe {

/// Reads a file of procfs, sysfs or debugfs, relative to `directory` (AT_FDCWD for none), up to a
/// bound that none of them reaches. Errors: `open`, `read`.
Result ReadFile(int directory, const char* path, std::string* content);

}  // namespace xe
