#include <bascule/store.h>

#include <string.h>

void
pack_list_fini(struct pack_list *list)
{
	free(list->packs);
	memset(list, 0, sizeof *list);
}
