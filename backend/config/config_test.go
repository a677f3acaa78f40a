package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func parse(t *testing.T, args, environ []string) (*Options, error) {
	t.Helper()
	o := &Options{}
	fs := pflag.NewFlagSet("pilothouse", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return o, o.Complete(fs, environ)
}

func TestFlagWinsOverEnvironmentAndThatOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	content := "secure-port: 1001\ndata-dir: from-file\nrequest-timeout: 30s\nauthorization-mode: [RBAC]\n" +
		"runtime-config: {apps/v1: false}\nanonymous-auth: false\nbind-address: 0.0.0.0\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse(t, []string{"--secure-port=1003", "--config", file},
		[]string{"PILOTHOUSE_SECURE_PORT=1002", "PILOTHOUSE_DATA_DIR=from-env", "PILOTHOUSE_OF_ANOTHER=1", "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Serving.SecurePort != 1003 || o.Storage.DataDir != "from-env" || o.Limits.RequestTimeout != 30*time.Second ||
		len(o.Authz.Modes) != 1 || o.Features.RuntimeConfig["apps/v1"] != "false" || o.Authn.Anonymous || o.Serving.BindAddress != "0.0.0.0" {
		t.Errorf("%+v", o)
	}
}

func TestBadSettingsAreNamedInOneLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(content string) []string {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--config", file}
	}
	check := func(want string, args []string, environ ...string) {
		t.Helper()
		_, err := parse(t, args, environ)
		switch {
		case err == nil:
			t.Errorf("%v %v: no error", args, environ)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%v %v: %q does not say %q", args, environ, err, want)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("more than one line: %q", err)
		}
	}
	check("unknown flag: --no-such-flag", []string{"--no-such-flag"})
	check("unknown flag: --egress-selector-config-file", []string{"--egress-selector-config-file=x"})
	check(`"many" for "--secure-port"`, []string{"--secure-port=many"})
	check("--secure-port 70000", []string{"--secure-port=70000"})
	check("--bind-address", []string{"--bind-address=localhost"})
	check("not on loopback", []string{"--dashboard-address=0.0.0.0:8080"})
	check("go together", []string{"--tls-cert-file=x"})
	check("go together", []string{"--kubelet-client-key=x"})
	check("which is none of Hostname", []string{"--kubelet-preferred-address-types=InternalIP,Street"})
	check("none of AlwaysAllow, AlwaysDeny, Node, RBAC, Webhook", []string{"--authorization-mode=ABAC"})
	check("twice", []string{"--authorization-mode=RBAC,RBAC"})
	check("needs --authorization-webhook-config-file", []string{"--authorization-mode=Webhook"})
	check("needs --authorization-mode Webhook", []string{"--authorization-webhook-config-file=f"})
	check("neither v1 nor v1beta1", []string{"--authorization-webhook-version=v2"})
	check("negative", []string{"--authorization-webhook-cache-authorized-ttl=-1s"})
	check("--authorization-config and --authorization-mode", []string{"--authorization-config=f", "--authorization-mode=RBAC"})
	check("--authorization-config and --authorization-webhook-version", []string{"--authorization-config=f", "--authorization-webhook-version=v1"})
	check("not a CIDR", []string{"--service-cluster-ip-range=10.0.0.0"})
	check("too small", []string{"--service-cluster-ip-range=10.0.0.0/30"})
	check("too large", []string{"--service-cluster-ip-range=10.0.0.0/8"})
	check("--service-node-port-range", []string{"--service-node-port-range=30000"})
	check("go together", []string{"--delegate-kubeconfig=f"})
	check("is not NAMESPACE/NAME:PORT", []string{"--delegate-kubeconfig=f", "--delegate-service=a/b"})
	check("is not NAMESPACE/NAME:PORT", []string{"--delegate-kubeconfig=f", "--delegate-service=b:70000"})
	check("--request-timeout", []string{"--request-timeout=0s"})
	check("--data-dir", []string{"--data-dir="})
	check("environment PILOTHOUSE_SECURE_PORT", nil, "PILOTHOUSE_SECURE_PORT=x")
	check("no such file", []string{"--config=/no/such/file"})
	check(`no setting "no-such"`, write("no-such: 1\n"))
	check(`no setting "config"`, write("config: other\n"))
	check("--config", write("secure-port: 1\nsecure-port: 2\n"))
	check("--config", write("- a\n- b\n"))
	check("without a value", write("data-dir:\n"))
}

func TestHarmlessFlagsOfKubeAPIServerAreTaken(t *testing.T) {
	o, err := parse(t, []string{"--storage-media-type=application/json", "--watch-cache", "--secure-port", "7"}, nil)
	if err != nil || o.Serving.SecurePort != 7 {
		t.Errorf("%v %+v", err, o)
	}
}

func TestGroupsOfCustomResources(t *testing.T) {
	f := func(group string, want bool, patterns ...string) {
		t.Helper()
		if got := (&Extension{CRDGroups: patterns}).ServesGroup(group); got != want {
			t.Errorf("%s by %v: %v", group, patterns, got)
		}
	}
	f("a.example", true, "*")
	f("a.example", true, "a.example")
	f("b.example", false, "a.example")
	f("a.example", false, "*", "-a.example")
	f("b.example", true, "*", "-a.example")
	f("a.example", false)
	e := Extension{DelegateService: "kube-system/far:6443"}
	if namespace, name, port := e.Service(); namespace != "kube-system" || name != "far" || port != 6443 {
		t.Error(namespace, name, port)
	}
}
