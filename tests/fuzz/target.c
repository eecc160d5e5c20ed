/*
 * The fuzz program has every target of this folder; the name it is started by
 * says which it is.  (A program each took longer to link than all the rest.)
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes);

static int (*target)(const uint8_t *bytes, size_t len_bytes);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *slash = strrchr((*argv)[0], '/');
	const char *name = slash != NULL ? slash + 1 : (*argv)[0];
	void *found = dlsym(RTLD_DEFAULT, name);

	(void)argc;
	if (found == NULL) {
		fprintf(stderr, "there is no fuzz target '%s'\n", name);
		exit(1);
	}
	memcpy(&target, &found, sizeof(target));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	return target(bytes, len_bytes);
}
