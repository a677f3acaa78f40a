// Package version owns what the server says it is: a Kubernetes of this
// version, built from this commit. It imports nothing of the server.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"k8s.io/apimachinery/pkg/version"
)

// The version of Kubernetes whose behaviour the server has.
const (
	Major      = "1"
	Minor      = "36"
	GitVersion = "v1.36.2"
)

// Info is what /version gives.
var Info = sync.OnceValue(func() version.Info {
	info := version.Info{
		Major: Major, Minor: Minor, EmulationMajor: Major, EmulationMinor: Minor, MinCompatibilityMajor: Major, MinCompatibilityMinor: "35",
		GitVersion: GitVersion, GoVersion: runtime.Version(), Compiler: runtime.Compiler,
		Platform: runtime.GOOS + "/" + runtime.GOARCH, GitTreeState: "clean", BuildDate: "1970-01-01T00:00:00Z",
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			info.GitCommit = s.Value
		case "vcs.time":
			info.BuildDate = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				info.GitTreeState = "dirty"
			}
		}
	}
	return info
})

// Line is the version for people.
func Line() string {
	i := Info()
	commit := i.GitCommit
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("Pilothouse, Kubernetes %s, commit %s (%s), %s, %s", i.GitVersion, commit, i.GitTreeState, i.GoVersion, i.Platform)
}
