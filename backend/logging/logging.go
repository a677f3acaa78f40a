// Package logging owns how the process logs: klog with the flags -v and
// -vmodule that Kubernetes' programs have, to standard error. It imports
// nothing of the server.
package logging

import (
	"flag"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// AddFlags adds --v, --vmodule and --logging-format.
func AddFlags(fs *pflag.FlagSet) {
	all := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(all)
	for _, name := range []string{"v", "vmodule"} {
		fs.AddGoFlag(all.Lookup(name))
	}
	fs.Var(&format{name: "text"}, "logging-format", "How the log is written: text, or json, an object a line.")
}

// Flush writes out what is buffered.
func Flush() { klog.Flush() }

// SetVerbosity changes --v while the process runs.
func SetVerbosity(level string) error {
	var v klog.Level
	return v.Set(level)
}
