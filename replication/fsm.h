/* What replication needs to know of a state machine. */
#pragma once
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <stdint.h>

/* What applying a command gave. A user's error (say, a point that does not exist) is a result, the
 * same on every node. */
struct fsm_result {
    uint64_t index; /* of the command in the log; 0: nothing was logged */
    enum status code;
    struct error error; /* when code is not OK */
    uint64_t changed;   /* points or items touched; catalog: 1 when something changed, else 0 */
};
