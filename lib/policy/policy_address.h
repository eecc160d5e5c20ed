#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

/* What may stand as an address, a URL or a host key.  Nothing is resolved. */

#include <stdbool.h>

/* An IPv4 or IPv6 address, or a host's name (RFC 1123). */
bool policy_address_is_host(const char *text);
/* "HOST:PORT", or "[IPv6]:PORT". */
bool policy_address_is_endpoint(const char *text);
/* http:// or https://, a host, perhaps a port and a path. */
bool policy_address_is_url(const char *text);
/* "SHA256:" and the 43 characters of a digest in base64 without padding. */
bool policy_address_is_host_key(const char *text);

#endif
