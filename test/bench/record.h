/* The VM_ERR record of the xe series as it stands in a notification pipe, and the clock both programs share with the exporter. */
#include <stdint.h>
#include <time.h>

#define TYPE_XE 2
#define SUBTYPE_VM_ERR 0
#define LENGTH_MASK 0x7f
#define ID_SHIFT 8

struct vm_err {
	uint32_t key; /* type in the low 24 bits, subtype in the high 8 */
	uint32_t info; /* length in bits 0..6, watch id in bits 8..15 */
	uint32_t vm_id;
	int32_t error_code;
};

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
