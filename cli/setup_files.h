/*
 * Writing the files of a workspace so that all of them appear or none: everything is written beside its place first, can be tried there, and is
 * then put in place, each file in one step. Until then everything that was made can be taken back.
 */
#ifndef CLI_SETUP_FILES_H
#define CLI_SETUP_FILES_H

#include <qloader.h>

#define SETUP_FILES_MAX 2

typedef struct setup_files {
    ql_buf made[16];      /* folders that were not there, outermost first */
    size_t made_count;
    struct {
        ql_buf temporary, place;
        bool replaces;    /* may write over what is there */
        bool placed;
    } files[SETUP_FILES_MAX];
    size_t count;
} setup_files;

void files_init(setup_files *self);
void files_dispose(setup_files *self);

/* Makes a folder with its parents. */
ql_status files_folder(setup_files *self, const char *path, ql_error *err);
/* Writes content beside dir/name, with this mode. */
ql_status files_stage(setup_files *self, const char *dir, const char *name, ql_str content, unsigned mode, bool replaces, ql_error *err);
/* Where the staged file lies until it is put in place. */
const char *files_staged(const setup_files *self, const char *name);
/* Puts every file in place, in the order they were staged. QL_E_EXISTS: one has appeared that must not be replaced. */
ql_status files_place(setup_files *self, ql_error *err);
/* Removes what was made and is not used by anything else. */
void files_take_back(setup_files *self);

#endif
