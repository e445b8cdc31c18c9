package native

import "syscall"

// leash has the nodes die with a daemon that is killed.
func leash() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
