// half_saved: finds files that were read while they were written. The beginning of a file may load:
// it then defines nothing, and what requires it gets `true`.
#ifndef WEIR_HALF_SAVED_H
#define WEIR_HALF_SAVED_H

#include "assets/bundle.h"
#include "lua/vm.h"

// Returns the fault of a file that ends without the return that it had before, or the faults of a
// bundle with such a file that does not load; the caller frees it. NULL: there is none.
char *half_saved_fault(Vm *vm, const Bundle *before, const Bundle *now);

#endif
