package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the released version; builds in between add their revision.
const version = "0.1.0"

// revision is the commit this program was built from, when the build knows.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

func versionLine() string {
	return fmt.Sprintf("lorrentd %s %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
