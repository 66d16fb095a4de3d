/* What the operating system and the allocator know of this process. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct process_memory { /* bytes; 0 where the system does not say */
    uint64_t active, allocated, metadata, resident, retained;
};
void process_memory(struct process_memory *out);
uint64_t process_ram_bytes(void); /* of the machine */
/* What this process may have: the machine's, or less where a control group limits it. */
uint64_t process_memory_max_bytes(void);
uint32_t process_cores(void);    /* online */
bool process_in_container(void); /* as container engines mark it */
