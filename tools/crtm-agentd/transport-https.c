// SPDX-License-Identifier: MIT
/*
 * HTTPS with mutual TLS through libcurl.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "protocol.h"
#include "service.h"
#include "transport.h"

#define CONNECT_TIMEOUT_S	20
#define REQUEST_TIMEOUT_S	60	/* beside what the server may hold a request */
#define RESULTS_GRACE_MS	5000	/* for what the chip answered, when told to stop */
#define URL_LEN			512

struct https {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char base[URL_LEN - 64];
	char error[CURL_ERROR_SIZE];
};

void body_free(struct body *b)
{
	free(b->text);
	b->text = NULL;
	b->len = 0;
}

static size_t receive(char *data, size_t size, size_t n, void *user)
{
	struct body *b = user;
	char *text;

	if (n > PROTOCOL_MAX_BODY - b->len)
		return 0;
	text = realloc(b->text, b->len + n + 1);
	if (!text)
		return 0;
	memcpy(text + b->len, data, size * n);
	b->text = text;
	b->len += n;
	return n;
}

static void https_close(struct transport *t)
{
	struct https *h = t->priv;

	curl_easy_cleanup(h->easy);
	curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	free(h);
	curl_global_cleanup();
}

static int https_open(struct transport *t, const struct transport_config *config)
{
	const char *server = config->server;
	size_t len = strlen(server);
	struct https *h;
	CURLcode ret;
	FILE *f;
	const char *files[] = { config->cert, config->key, config->ca };
	unsigned int i;

	if (!config->cert || !config->key || !config->ca) {
		log_err("%s needs --cert, --key and --ca", server);
		return -1;
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		f = fopen(files[i], "re");
		if (!f) {
			log_err("%s: %m", files[i]);
			return -1;
		}
		fclose(f);
	}
	while (len && server[len - 1] == '/')
		len--;
	if (len >= sizeof(h->base)) {
		log_err("the server's address is too long");
		return -1;
	}

	h = calloc(1, sizeof(*h));
	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(h);
		log_err("libcurl does not start");
		return -1;
	}
	t->priv = h;
	memcpy(h->base, server, len);
	h->multi = curl_multi_init();
	h->easy = curl_easy_init();
	h->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (!h->multi || !h->easy || !h->headers)
		goto fail;

	ret = curl_easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR, "https");
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_CAINFO, config->ca);
	/* The site's own CA, not everybody's. */
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_SSLCERT, config->cert);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_SSLKEY, config->key);
	/* A key with a passphrase must fail, not ask. */
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_KEYPASSWD, "");
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_USERAGENT, "crtm-agentd/" AGENT_VERSION);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->error);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, receive);
	if (!ret)
		return 0;
fail:
	log_err("libcurl does not do what is needed");
	https_close(t);
	return -1;
}

/* Run the transfer that was added. When the agent is to stop it has @grace ms more. */
static CURLcode drive(struct https *h, unsigned int grace)
{
	struct curl_waitfd stop = { .fd = service_stop_fd(), .events = CURL_WAIT_POLLIN };
	long long deadline = 0;
	CURLMsg *msg;
	int running, left;

	for (;;) {
		service_tick();
		if (curl_multi_perform(h->multi, &running))
			return CURLE_FAILED_INIT;
		if (!running)
			break;
		if (service_stop() && !deadline)
			deadline = service_now() + grace;
		if (deadline && service_now() >= deadline)
			return CURLE_ABORTED_BY_CALLBACK;
		if (curl_multi_poll(h->multi, &stop, 1, 1000, NULL))
			return CURLE_FAILED_INIT;
	}
	while ((msg = curl_multi_info_read(h->multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			return msg->data.result;
	return CURLE_FAILED_INIT;
}

static void explain(const struct https *h, const char *what, CURLcode ret)
{
	const char *hint = "";

	switch (ret) {
	case CURLE_ABORTED_BY_CALLBACK:
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
		hint = " (is --ca the site's CA, and is the server's name in its certificate?)";
		break;
	case CURLE_SSL_CERTPROBLEM:
		hint = " (--cert and --key must be one pair in PEM, the key without passphrase)";
		break;
	case CURLE_SSL_CACERT_BADFILE:
		hint = " (--ca must be certificates in PEM)";
		break;
	case CURLE_WRITE_ERROR:
		hint = " (the server's answer is longer than 1 MiB)";
		break;
	default:
		break;
	}
	log_warn("%s%s: %s%s", h->base, what, *h->error ? h->error : curl_easy_strerror(ret), hint);
}

static int request(struct transport *t, const char *what, const char *text, unsigned int wait,
		   unsigned int grace, struct body *answer)
{
	struct https *h = t->priv;
	char url[URL_LEN];
	CURLcode ret;
	long status;

	snprintf(url, sizeof(url), "%s%s", h->base, what);
	h->error[0] = '\0';
	memset(answer, 0, sizeof(*answer));
	ret = curl_easy_setopt(h->easy, CURLOPT_URL, url);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, answer);
	ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_TIMEOUT, (long)(wait + REQUEST_TIMEOUT_S));
	if (text) {
		ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
		ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, text);
		ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
	} else {
		ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_HTTPGET, 1L);
		ret = ret ?: curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
	}
	if (!ret && curl_multi_add_handle(h->multi, h->easy))
		ret = CURLE_FAILED_INIT;
	if (!ret) {
		ret = drive(h, grace);
		curl_multi_remove_handle(h->multi, h->easy);
	}
	if (!ret)
		ret = curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!ret)
		return status;
	explain(h, what, ret);
	body_free(answer);
	return -1;
}

static int https_hello(struct transport *t, const char *text, struct body *answer)
{
	return request(t, "/v1/hello", text, 0, 0, answer);
}

static int https_next(struct transport *t, unsigned int wait, struct body *answer)
{
	char what[64];

	snprintf(what, sizeof(what), "/v1/next?wait=%u", wait);
	return request(t, what, NULL, wait, 0, answer);
}

static int https_results(struct transport *t, const char *text, struct body *answer)
{
	return request(t, "/v1/results", text, 0, RESULTS_GRACE_MS, answer);
}

const struct transport_ops transport_https = {
	.open = https_open,
	.hello = https_hello,
	.next = https_next,
	.results = https_results,
	.close = https_close,
};
