/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses of kernel symbols that are not exported to us. */
#ifndef KVMI_COMPAT_RESOLVE_H
#define KVMI_COMPAT_RESOLVE_H

/*
 * Find the kernel's own lookup function and check that it can be trusted.
 * Must succeed before the first kvmi_resolve(). Returns 0 or a negative errno,
 * after having logged the reason.
 */
int kvmi_resolver_init(void);

/*
 * Address of @symbol of @module ("kvm", "kvm_amd", ..., or NULL for the kernel
 * proper), or 0. A module that is built into the kernel is found as well. The
 * caller pins the module for as long as it uses the address.
 */
unsigned long kvmi_resolve(const char *module, const char *symbol);

#endif /* KVMI_COMPAT_RESOLVE_H */
