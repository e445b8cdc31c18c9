#pragma once
#include <stdint.h>

typedef int esp_err_t;
typedef void* TaskHandle_t;
esp_err_t esp_task_wdt_init(uint32_t seconds, bool panic);
esp_err_t esp_task_wdt_add(TaskHandle_t task);
esp_err_t esp_task_wdt_reset();
