#include "policy_address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <bascule/base/text.h>

#define HOST_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

static bool
is_host_name(const char *text)
{
	size_t label = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '.' || *p == '-') {
			if (label == 0 || (*p == '.' && p[-1] == '-'))
				return false;
			label = *p == '.' ? 0 : label + 1;
		} else if (isalnum((unsigned char)*p) || *p == '_')
			label++;
		else
			return false;
		if (label > LABEL_BYTES_MAX)
			return false;
	}
	return label > 0 && text[strlen(text) - 1] != '-';
}

bool
policy_address_is_host(const char *text)
{
	struct in6_addr scratch;

	if (*text == '\0' || strlen(text) > HOST_BYTES_MAX)
		return false;
	if (strchr(text, ':') != NULL)
		return inet_pton(AF_INET6, text, &scratch) == 1;
	if (strspn(text, "0123456789.") == strlen(text))
		return inet_pton(AF_INET, text, &scratch) == 1;
	return is_host_name(text);
}

static bool
is_port(const char *text)
{
	uint64_t port;

	return text_parse_u64(text, 65535, &port) && port > 0;
}

/* The len bytes at text as a host; brackets only and always around IPv6. */
static bool
is_host_part(const char *text, size_t len)
{
	char host[HOST_BYTES_MAX + 1];
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';

	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len > HOST_BYTES_MAX)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	return policy_address_is_host(host) &&
	    bracketed == (strchr(host, ':') != NULL);
}

bool
policy_address_is_endpoint(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon != NULL && is_port(colon + 1) &&
	    is_host_part(text, (size_t)(colon - text));
}

bool
policy_address_is_url(const char *text)
{
	char authority[HOST_BYTES_MAX + 10];
	size_t len;

	if (strncmp(text, "http://", 7) != 0 &&
	    strncmp(text, "https://", 8) != 0)
		return false;
	text = strstr(text, "//") + 2;
	len = strcspn(text, "/?#");
	if (len >= sizeof(authority))
		return false;
	for (const char *p = text + len; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	memcpy(authority, text, len);
	authority[len] = '\0';
	return policy_address_is_endpoint(authority) ||
	    is_host_part(authority, len);
}

bool
policy_address_is_host_key(const char *text)
{
	return strncmp(text, "SHA256:", 7) == 0 && strlen(text + 7) == 43 &&
	    strspn(text + 7,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789+/") == 43;
}
