//go:build !linux

package outbound

import "errors"

// mark cannot bind to a device here, which must not go unnoticed.
func mark(_ uintptr, _, device string, _ int) error {
	if device != "" {
		return errors.New("binding to an interface is for Linux alone")
	}
	return nil
}
