/*
 * libgit2, opened on first use. The functions we call stand in one table under their own names, so a call reads
 * api->git_tree_lookup(...). The only header of this project that includes libgit2's.
 */
#ifndef QL_GIT_API_H
#define QL_GIT_API_H

#include <git2.h>
#include <git2/sys/alloc.h>
#include <git2/sys/errors.h>

#include <qloader/base.h>

#define QL_GIT_SYMBOLS(X) \
    X(git_libgit2_init) X(git_libgit2_opts) X(git_libgit2_version) X(git_error_last) X(git_error_set_str) \
    X(git_repository_open_ext) X(git_repository_init_ext) X(git_repository_init_options_init) X(git_repository_free) \
    X(git_repository_head) X(git_repository_commondir) X(git_repository_odb) \
    X(git_reference_dwim) X(git_reference_name_to_id) X(git_reference_peel) X(git_reference_shorthand) X(git_reference_free) \
    X(git_object_id) X(git_object_free) \
    X(git_commit_lookup) X(git_commit_free) X(git_commit_tree_id) X(git_commit_parentcount) X(git_commit_parent_id) \
    X(git_commit_time) X(git_commit_raw_header) X(git_commit_author) X(git_commit_message) X(git_commit_summary) \
    X(git_tree_lookup) X(git_tree_free) X(git_tree_entrycount) X(git_tree_entry_byindex) X(git_tree_entry_name) \
    X(git_tree_entry_id) X(git_tree_entry_filemode_raw) X(git_tree_entry_cmp) \
    X(git_odb_read_header) X(git_odb_read) X(git_odb_exists) X(git_odb_object_data) X(git_odb_object_size) X(git_odb_object_free) \
    X(git_odb_free) \
    X(git_remote_create_anonymous) X(git_remote_create_detached) X(git_remote_connect) X(git_remote_ls) X(git_remote_fetch) \
    X(git_remote_free) X(git_remote_init_callbacks) X(git_fetch_options_init) X(git_proxy_options_init) \
    X(git_credential_userpass_plaintext_new) X(git_credential_username_new) X(git_credential_ssh_key_new) \
    X(git_credential_ssh_key_from_agent)

typedef struct ql__git_api {
#define QL_GIT_MEMBER(name) __typeof__(&name) name;
    QL_GIT_SYMBOLS(QL_GIT_MEMBER)
#undef QL_GIT_MEMBER
} ql__git_api;

/* Static once loaded. Thread-safe. QL_E_UNSUPPORTED: the module is not installed. */
ql_status ql__git_api_get(const ql__git_api **out, ql_error *err);

/* On this thread libgit2 fetches from now on (or no longer), which takes larger pieces of memory than reading. Returns what was before. */
bool ql__git_fetching(bool fetching);

/*
 * The failure that libgit2 just reported on this thread as ours: the kind from code and class, the message after "what: ". Every
 * occurrence of secret (may be empty) and of user names in addresses is replaced by "***".
 */
ql_status ql__git_fail(const ql__git_api *api, int code, ql_str secret, const char *what, ql_error *err);

#endif
