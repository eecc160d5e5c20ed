#include <stdint.h>
#include <string.h>

#include "policy_value.h"

static const char *
value_of(const struct policy_values *v, const char *name, size_t len)
{
	const struct {
		const char *name, *value;
	} all[] = {{"service", v->service}, {"dataset", v->dataset},
	    {"snapshot", v->snapshot}, {"sandbox", v->sandbox},
	    {"site", v->site}, {"run", v->run}, {"epoch", v->epoch}};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (strlen(all[i].name) == len &&
		    strncmp(all[i].name, name, len) == 0)
			return all[i].value;
	return NULL;
}

enum err_code
policy_expand(struct buf *out, const char *text, const struct policy_values *v,
    struct err *e)
{
	enum err_code rc = policy_value_variables(text, e);

	while (rc == ERR_NONE && *text != '\0') {
		const char *at = strstr(text, "${"), *value;
		size_t len;

		if (at == NULL)
			return buf_add_text(out, text, e);
		rc = buf_add(out, text, (size_t)(at - text), e);
		len = strcspn(at + 2, "}");
		value = value_of(v, at + 2, len);
		if (rc == ERR_NONE && value == NULL)
			rc = err_set(e, ERR_INPUT,
			    "'${%.*s}' has no value here", (int)len, at + 2);
		if (rc == ERR_NONE)
			rc = buf_add_text(out, value, e);
		text = at + 2 + len + 1;
	}
	return rc;
}

enum err_code
policy_expand_argv(char ***out, const struct policy_texts *words,
    const struct policy_values *v, struct err *e)
{
	OWNED(buf_fini) struct buf text = {0};
	char **argv, *at;
	enum err_code rc = ERR_NONE;

	*out = NULL;
	for (size_t i = 0; rc == ERR_NONE && i < words->count; i++) {
		rc = policy_expand(&text, words->items[i], v, e);
		if (rc == ERR_NONE)
			rc = buf_add_byte(&text, '\0', e);
	}
	if (rc != ERR_NONE)
		return rc;
	argv = calloc(1,
	    (words->count + 1) * sizeof(argv[0]) + text.len_bytes + 1);
	if (argv == NULL)
		return err_nomem(e);
	at = (char *)(argv + words->count + 1);
	if (text.len_bytes > 0)
		memcpy(at, text.bytes, text.len_bytes);
	for (size_t i = 0; i < words->count; i++) {
		argv[i] = at;
		at += strlen(at) + 1;
	}
	*out = argv;
	return ERR_NONE;
}

void
policy_expand_free(char ***argv)
{
	free(*argv);
	*argv = NULL;
}
