// The few functions of OpenSSL 3 that SRTP takes, as the node binary exports them. Declared here so that no headers of
// OpenSSL are needed to build; they are part of its stable interface (man pages EVP_EncryptInit, EVP_MAC).
#pragma once
#include <cstddef>

extern "C" {
struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct evp_mac_st;
struct evp_mac_ctx_st;
struct engine_st;
struct ossl_lib_ctx_st;

struct ossl_param_st {
  const char* key;
  unsigned int data_type;
  void* data;
  size_t data_size;
  size_t return_size;
};

const evp_cipher_st* EVP_aes_128_gcm(void);
const evp_cipher_st* EVP_aes_128_ctr(void);
evp_cipher_ctx_st* EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(evp_cipher_ctx_st* ctx);
int EVP_CIPHER_CTX_ctrl(evp_cipher_ctx_st* ctx, int type, int arg, void* ptr);
int EVP_CipherInit_ex(evp_cipher_ctx_st* ctx, const evp_cipher_st* type, engine_st* impl, const unsigned char* key,
                      const unsigned char* iv, int enc);
int EVP_CipherUpdate(evp_cipher_ctx_st* ctx, unsigned char* out, int* outl, const unsigned char* in, int inl);
int EVP_CipherFinal_ex(evp_cipher_ctx_st* ctx, unsigned char* out, int* outl);
evp_mac_st* EVP_MAC_fetch(ossl_lib_ctx_st* libctx, const char* algorithm, const char* properties);
void EVP_MAC_free(evp_mac_st* mac);
evp_mac_ctx_st* EVP_MAC_CTX_new(evp_mac_st* mac);
void EVP_MAC_CTX_free(evp_mac_ctx_st* ctx);
int EVP_MAC_init(evp_mac_ctx_st* ctx, const unsigned char* key, size_t keylen, const ossl_param_st* params);
int EVP_MAC_update(evp_mac_ctx_st* ctx, const unsigned char* data, size_t datalen);
int EVP_MAC_final(evp_mac_ctx_st* ctx, unsigned char* out, size_t* outl, size_t outsize);
ossl_param_st OSSL_PARAM_construct_utf8_string(const char* key, char* buf, size_t bsize);
ossl_param_st OSSL_PARAM_construct_end(void);
}

constexpr int kEvpCtrlGetTag = 0x10;
constexpr int kEvpCtrlSetTag = 0x11;
