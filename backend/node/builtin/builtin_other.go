//go:build !linux || !(amd64 || arm64)

package builtin

import (
	"errors"
	"runtime"

	noderuntime "pilothouse/backend/node/runtime"
)

// Open says that this machine cannot.
func Open(Options) (noderuntime.Runtime, error) {
	return nil, errors.New("containers need Linux on amd64 or arm64, and this is " + runtime.GOOS + " on " + runtime.GOARCH)
}
