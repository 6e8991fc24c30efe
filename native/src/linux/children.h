#pragma once

#include "failure.h"

namespace xe {

/// From now on processes below this one whose parent ends become its children (prctl(2),
/// PR_SET_CHILD_SUBREAPER), as they do for process 1. Error: `prctl`.
Result BecomeSubreaper();

/// Waits for every child that has ended, up to `spare` (a pid, or 0 for none), whom somebody else
/// waits for: call it again once that has happened. Never blocks. Returns how many there were.
int ReapOrphans(int spare);

}  // namespace xe
