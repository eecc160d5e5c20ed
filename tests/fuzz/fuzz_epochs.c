/* condemned/epochs and epochs-HASH; as it is, and with its hash made right. */
#include "../../lib/store/epochs.h"
#include "rehashed.h"

REHASHED_SIDEFILE(epochs, EPOCHS_BYTES_MAX)

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	return rehashed(bytes, len_bytes, decode);
}
