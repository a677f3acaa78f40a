//go:build !linux

package backend

import "runtime/debug"

// ReleaseStartMemory gives back the garbage of the start.
func ReleaseStartMemory() { debug.FreeOSMemory() }
