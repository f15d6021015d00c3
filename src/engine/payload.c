/*
 * Payloads that are not in the metadata record: read from the payload store by the bucket and key
 * that the version names, and never handed on before their checksum was found right.
 */
#include "base/metrics.h"
#include "engine/internal.h"

enum { PAYLOAD_BYTES_MAX = 1 << 30 }; /* a record that claims more is damaged */

enum status payload_verify(const struct version *v, struct err *err) {
    uint8_t sum[SHA256_BYTES];
    digest_sha256(v->doc, sum);
    if (memcmp(sum, v->checksum, sizeof sum) == 0 && (int64_t)v->doc.n == v->size) return OK;
    return err_set(err, ERR_CORRUPT,
                   "the payload of %.*s ov %lld has another checksum than its record; restore the "
                   "data folder from a backup",
                   STR_FMT(v->id), (long long)v->ov);
}

enum status payload_load(struct engine *e, struct arena *arena, struct version **version,
                         struct err *err) {
    struct version *v = *version;
    if (v->doc.p) return OK;
    if (!v->blob_key.p)
        return err_set(
            err, ERR_CORRUPT,
            "%.*s ov %lld has no payload, neither in its record nor in the payload store",
            STR_FMT(v->id), (long long)v->ov);
    struct str data;
    enum status s =
        e->blob->ops->get(e->blob, BLOB_JSON, v->blob_key, PAYLOAD_BYTES_MAX, arena, &data, err);
    if (s == ERR_NOTFOUND)
        return err_set(err, ERR_CORRUPT,
                       "the payload of %.*s ov %lld is missing in the payload store: %.*s",
                       STR_FMT(v->id), (long long)v->ov, STR_FMT(v->blob_key));
    if (s != OK) return s;
    metric_add(METRIC_BLOB_GETS, 1);
    struct version with_doc;
    version_copy(&with_doc, v);
    with_doc.doc = data;
    s = payload_verify(&with_doc, err);
    if (s != OK) return s;
    *version = version_new(&with_doc);
    version_unref(v);
    return OK;
}
