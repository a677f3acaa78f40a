package plugins

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// writeSettings writes an AdmissionConfiguration with the settings of a plugin.
func writeSettings(t testing.TB, plugin, settings string) string {
	t.Helper()
	var parsed any
	if err := yaml.Unmarshal([]byte(settings), &parsed); err != nil {
		t.Fatal(err)
	}
	b, err := yaml.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
		"plugins": []any{map[string]any{"name": plugin, "configuration": parsed}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "admission.yaml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOrder pins the order in which plugins are called: that of kube-apiserver.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	c, err := New(w.env)
	if err != nil {
		t.Fatal(err)
	}
	builtIn := slices.DeleteFunc(c.Names(), func(n string) bool {
		return strings.HasSuffix(n, "Policy") || strings.HasSuffix(n, "Webhook")
	})
	want := []string{
		"NamespaceLifecycle", "LimitRanger", "ServiceAccount", "TaintNodesByCondition", "PodSecurity", "Priority",
		"DefaultTolerationSeconds", "DefaultStorageClass", "StorageObjectInUseProtection", "PersistentVolumeClaimResize",
		"RuntimeClass", "CertificateApproval", "CertificateSigning", "ClusterTrustBundleAttest", "CertificateSubjectRestriction",
		"DefaultIngressClass", "PodTopologyLabels", "PodResizeValidator", "ResourceQuota",
	}
	if !slices.Equal(builtIn, want) {
		t.Errorf("called are\n%v\nwant\n%v", builtIn, want)
	}
}

func TestChoosing(t *testing.T) {
	w := newWorld(t)
	w.env.Options.Enable, w.env.Options.Disable = []string{"AlwaysPullImages"}, []string{"Priority", "ResourceQuota"}
	c, err := New(w.env)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Names(); !slices.Contains(n, "AlwaysPullImages") || slices.Contains(n, "Priority") || slices.Contains(n, "ResourceQuota") {
		t.Errorf("chosen are %v", n)
	}
	faulty := func(enable, disable []string, want string) {
		t.Helper()
		w.env.Options.Enable, w.env.Options.Disable = enable, disable
		if _, err := New(w.env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if err := Check(enable, disable); err == nil {
			t.Errorf("%v and %v are found to be in order", enable, disable)
		}
	}
	faulty([]string{"Nonsense"}, nil, `--enable-admission-plugins: plugin "Nonsense" is unknown`)
	faulty(nil, []string{"Nonsense"}, `--disable-admission-plugins: plugin "Nonsense" is unknown`)
	faulty([]string{"Priority"}, []string{"Priority"}, `plugin "Priority" is in --enable-admission-plugins and --disable-admission-plugins`)
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("own.yaml", "a: b\n")
	got, err := readConfig(file("all.yaml", `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- {name: One, path: own.yaml}
- {name: Two, configuration: {c: d}}
- {name: Three, path: ""}
`))
	if err != nil || string(got["One"]) != "a: b\n" || string(got["Two"]) != `{"c":"d"}` || got["Three"] != nil {
		t.Errorf("%s, %v", got, err)
	}
	faulty := func(text, want string) {
		t.Helper()
		if _, err := readConfig(file("faulty.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	faulty("apiVersion: apiserver.config.k8s.io/v1\nkind: Other\n", `kind "Other" is no AdmissionConfiguration`)
	faulty("apiVersion: v1\nkind: AdmissionConfiguration\n", `apiVersion "v1"`)
	faulty("apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: [{name: One, path: none.yaml}]\n", "none.yaml")
	faulty("apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nodd: 1\n", "odd")
	if _, err := readConfig(filepath.Join(dir, "missing.yaml")); err == nil {
		t.Error("a missing file is read")
	}
}

func TestSettingsOfWebhooks(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("apiVersion: v1\nkind: Config\nusers: [{name: hook.example.com, user: {token: x}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []string{"MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"} {
		check := func(settings, words string) {
			t.Helper()
			d := &deps{settings: map[string][]byte{plugin: []byte(settings)}}
			o, err := d.webhookOptions(plugin)
			if words == "" && (err != nil || o.Credentials == nil) || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
				t.Errorf("%s: %v, want %q", settings, err, words)
			}
		}
		const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: WebhookAdmissionConfiguration\n"
		check(head+"kubeConfigFile: "+config, "")
		check("apiVersion: apiserver.config.k8s.io/v1alpha1\nkind: WebhookAdmission\nkubeConfigFile: "+config, "")
		check(head+"kubeConfigFile: config", `kubeConfigFile: Invalid value: "config": must be an absolute file path`)
		check(head+"kubeConfigFile: "+config+"x", "no such file")
		check(head+"kubeconfig: x", "unknown field")
		check("kind: PodSecurityConfiguration", `kind "PodSecurityConfiguration" is no WebhookAdmissionConfiguration`)
	}
}
