package config

import "github.com/spf13/pflag"

// ignoredFlags are flags of kube-apiserver that have no meaning here and whose
// absence harms nobody: how it talks to its etcd, caches, what one
// process among several needs. A flag that makes a server safer, or that
// somebody could rely on, is not among them: it is an error until it works.
// The values tell whether the flag is a switch.
var ignoredFlags = map[string]bool{
	"aggregator-reject-forwarding-redirect":       true,
	"apiserver-count":                             false,
	"contention-profiling":                        true,
	"default-watch-cache-size":                    false,
	"enable-logs-handler":                         true,
	"endpoint-reconciler-type":                    false,
	"etcd-compaction-interval":                    false,
	"etcd-count-metric-poll-period":               false,
	"etcd-db-metric-poll-interval":                false,
	"etcd-healthcheck-timeout":                    false,
	"etcd-readycheck-timeout":                     false,
	"goaway-chance":                               false,
	"identity-lease-duration-seconds":             false,
	"identity-lease-renew-interval-seconds":       false,
	"kubernetes-service-node-port":                false,
	"kubelet-timeout":                             false,
	"lease-reuse-duration-seconds":                false,
	"livez-grace-period":                          false,
	"log-flush-frequency":                         false,
	"max-connection-bytes-per-sec":                false,
	"permit-address-sharing":                      true,
	"permit-port-sharing":                         true,
	"shutdown-delay-duration":                     false,
	"shutdown-send-retry-after":                   true,
	"shutdown-watch-termination-grace-period":     false,
	"storage-initialization-timeout":              false,
	"storage-media-type":                          false,
	"watch-cache":                                 true,
	"watch-cache-sizes":                           false,
	"emulation-forward-compatible":                true,
	"runtime-config-emulation-forward-compatible": true,
}

// ignored is the value of a flag without effect; it remembers whether it was
// given.
type ignored struct {
	isSwitch, set bool
}

// Set takes anything.
func (v *ignored) Set(string) error { v.set = true; return nil }

// String is empty.
func (v *ignored) String() string { return "" }

// Type is what help shows.
func (v *ignored) Type() string {
	if v.isSwitch {
		return "bool"
	}
	return "string"
}

func addIgnored(fs *pflag.FlagSet) {
	for name, isSwitch := range ignoredFlags {
		f := fs.VarPF(&ignored{isSwitch: isSwitch}, name, "", "Has no effect here.")
		f.Hidden = true
		if isSwitch {
			f.NoOptDefVal = "true"
		}
	}
}
