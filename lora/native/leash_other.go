//go:build !linux

package native

import "syscall"

func leash() *syscall.SysProcAttr { return nil }
