/* SPDX-License-Identifier: MIT */
#include "coordinator/core/plant.h"

#ifdef HEDGEROW_PLANTS

#include <string.h>

#ifndef HEDGEROW_PLANT
#define HEDGEROW_PLANT none
#endif
#define PLANT_PASTE(name) PLANT_##name
#define PLANT_NAMED(name) PLANT_PASTE(name)

enum plant plant_active = PLANT_NAMED(HEDGEROW_PLANT);

bool
plant_choose(const char *name)
{
    static const char *const names[] = {
#define PLANT_NAME(name, text) #name,
        PLANT_LIST(PLANT_NAME)
#undef PLANT_NAME
    };
    for (unsigned i = 0; i < PLANT_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            plant_active = (enum plant) i;
            return true;
        }
    }
    return false;
}

#else
typedef int plant_none_t; /* a translation unit must not be empty */
#endif
