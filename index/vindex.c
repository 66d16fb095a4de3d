/* The vector index kinds by name. kinds.def is the list; nothing here fails. */
#include "index/vindex.h"

#include <string.h>

static const struct vindex_kind *const kinds[] = {
#define X(kind) &vindex_##kind,
#include "index/kinds.def"
#undef X
};

const struct vindex_kind *vindex_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

const struct vindex_kind *vindex_kind_at(size_t place)
{
    return place < sizeof kinds / sizeof kinds[0] ? kinds[place] : NULL;
}
