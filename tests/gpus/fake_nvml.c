/*
 * A stand-in for NVIDIA's libnvidia-ml.so.1, loaded by NVIDIA's own bindings as the real one is.
 *
 * What it says stands in the file that $FAKE_NVML names, read anew at each call, so that a test can change the
 * weather while a router runs. One fact a line, `key value`:
 *
 *     count 2                                 GPUs
 *     0.name NVIDIA H100 80GB HBM3            facts of GPU 0: name, use, used, total, power, limit, heat, energy,
 *     0.power 512000                          reasons, processes (in NVML's units); one that is missing is "not supported"
 *     fails.nvmlDeviceGetCount_v2 9           a function that answers with an error
 *     0.fails.nvmlDeviceGetPowerUsage 15      the same for one GPU
 *     hangs.nvmlDeviceGetCount_v2 1           a function that never returns
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };

typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int version, sensor; int temperature; } temperature_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } process_t;

static const int indexes[8] = {0, 1, 2, 3, 4, 5, 6, 7};

static int said(const char *key, char *value, size_t room) {
    const char *path = getenv("FAKE_NVML");
    FILE *script = path ? fopen(path, "r") : NULL;
    char line[512];
    size_t length = strlen(key);
    int found = 0;
    if (!script) return 0;
    while (fgets(line, sizeof line, script)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, key, length) && line[length] == ' ') {
            snprintf(value, room, "%s", line + length + 1);
            found = 1;
        }
    }
    fclose(script);
    return found;
}

static int weather(const char *function) {
    char key[128], value[128];
    snprintf(key, sizeof key, "hangs.%s", function);
    while (said(key, value, sizeof value)) pause();
    snprintf(key, sizeof key, "fails.%s", function);
    return said(key, value, sizeof value) ? atoi(value) : SUCCESS;
}

static int fact(const char *function, void *device, const char *name, char *value, size_t room) {
    char key[128];
    int index = device ? *(const int *)device : 0, code = weather(function);
    if (code) return code;
    snprintf(key, sizeof key, "%d.fails.%s", index, function);
    if (said(key, value, room)) return atoi(value);
    snprintf(key, sizeof key, "%d.%s", index, name);
    return said(key, value, room) ? SUCCESS : NOT_SUPPORTED;
}

static int number(const char *function, void *device, const char *name, unsigned long long *answer) {
    char value[512];
    int code = fact(function, device, name, value, sizeof value);
    if (!code) *answer = strtoull(value, NULL, 0);
    return code;
}

static int small_number(const char *function, void *device, const char *name, unsigned int *answer) {
    unsigned long long wide = 0;
    int code = number(function, device, name, &wide);
    if (!code) *answer = (unsigned int)wide;
    return code;
}

int nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    return getenv("FAKE_NVML") ? weather("nvmlInitWithFlags") : DRIVER_NOT_LOADED;
}

int nvmlShutdown(void) { return weather("nvmlShutdown"); }

int nvmlDeviceGetCount_v2(unsigned int *count) {
    char value[64];
    int code = weather("nvmlDeviceGetCount_v2");
    *count = said("count", value, sizeof value) ? (unsigned int)atoi(value) : 0;
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    char key[128], value[64];
    *device = (void *)&indexes[index];
    snprintf(key, sizeof key, "%u.fails.nvmlDeviceGetHandleByIndex_v2", index);
    return said(key, value, sizeof value) ? atoi(value) : weather("nvmlDeviceGetHandleByIndex_v2");
}

int nvmlDeviceGetName(void *device, char *name, unsigned int room) {
    return fact("nvmlDeviceGetName", device, "name", name, room);
}

int nvmlDeviceGetUtilizationRates(void *device, utilization_t *use) {
    use->memory = 0;
    return small_number("nvmlDeviceGetUtilizationRates", device, "use", &use->gpu);
}

int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    int code = number("nvmlDeviceGetMemoryInfo", device, "used", &memory->used);
    if (!code) code = number("nvmlDeviceGetMemoryInfo", device, "total", &memory->total);
    memory->free = memory->total - memory->used;
    return code;
}

int nvmlDeviceGetTemperatureV(void *device, temperature_t *heat) {
    return small_number("nvmlDeviceGetTemperatureV", device, "heat", (unsigned int *)&heat->temperature);
}

int nvmlDeviceGetTemperature(void *device, unsigned int sensor, unsigned int *heat) {
    (void)sensor;
    return small_number("nvmlDeviceGetTemperature", device, "heat", heat);
}

int nvmlDeviceGetPowerUsage(void *device, unsigned int *power) {
    return small_number("nvmlDeviceGetPowerUsage", device, "power", power);
}

int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned int *limit) {
    return small_number("nvmlDeviceGetEnforcedPowerLimit", device, "limit", limit);
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *energy) {
    return number("nvmlDeviceGetTotalEnergyConsumption", device, "energy", energy);
}

int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *reasons) {
    return number("nvmlDeviceGetCurrentClocksEventReasons", device, "reasons", reasons);
}

/* `processes` is a list of PID:BYTES with one space between; a size of -1 is what the driver says for "not told". */
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, process_t *processes) {
    char value[512], *word, *rest = NULL;
    unsigned int room = *count, found = 0;
    int code = fact("nvmlDeviceGetComputeRunningProcesses_v3", device, "processes", value, sizeof value);
    if (code) return code;
    for (word = strtok_r(value, " ", &rest); word; word = strtok_r(NULL, " ", &rest), found++)
        if (found < room) {
            process_t one = {(unsigned int)atoi(word), (unsigned long long)atoll(strchr(word, ':') + 1), 0, 0};
            processes[found] = one;
        }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
