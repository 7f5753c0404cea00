// Tells ThreadSanitizer about Synchronization.Mutex. Its fast path is compiled into our code and seen; under contention it
// calls into libswiftSynchronization.so, which the toolchain ships without instrumentation, so that taking a lock that
// another thread has just left looks like no synchronisation at all. Preloaded by sanitize.sh; nothing else needs it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

typedef SWIFT void (*LockSlow)(uint32_t thread, SELF void *self);
typedef SWIFT void (*UnlockSlow)(SELF void *self);
typedef void (*Annotation)(void *address);

static void annotate(const char *name, void *address) {
    Annotation annotation = (Annotation)dlsym(RTLD_DEFAULT, name);
    if (annotation) annotation(address);
}

// Synchronization._MutexHandle._lockSlow(UInt32)
SWIFT void lock_slow(uint32_t thread, SELF void *self) __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
SWIFT void lock_slow(uint32_t thread, SELF void *self) {
    static LockSlow real;
    if (!real) real = (LockSlow)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
    real(thread, self);
    annotate("__tsan_acquire", self);
}

// Synchronization._MutexHandle._unlockSlow()
SWIFT void unlock_slow(SELF void *self) __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
SWIFT void unlock_slow(SELF void *self) {
    static UnlockSlow real;
    if (!real) real = (UnlockSlow)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
    annotate("__tsan_release", self);
    real(self);
}
