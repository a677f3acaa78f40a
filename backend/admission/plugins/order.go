package plugins

import (
	"errors"
	"fmt"
	"slices"

	"pilothouse/backend/admission"
	"pilothouse/backend/admission/quota"
	"pilothouse/backend/authz"
	"pilothouse/backend/registry"
	calls "pilothouse/backend/webhook"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// plugin is one entry of the order.
type plugin struct {
	name string
	// on tells that the plugin is called unless it is disabled.
	on bool
	// make gives the plugin; nil means that the name is taken and does nothing.
	make func(*deps) (admission.Plugin, error)
}

// order is every plugin, in the order of kube-apiserver 1.36 in which they are
// called: first what decides whether the rest matters, then what fills in what
// later ones look at, the users' own policies and webhooks behind all that is
// built in, quota last so that nothing is counted that another one refuses.
var order = []plugin{
	{"AlwaysAdmit", false, newAlwaysAdmit},
	{"NamespaceAutoProvision", false, newNamespaceAutoProvision},
	{"NamespaceLifecycle", true, newNamespaceLifecycle},
	{"NamespaceExists", false, newNamespaceExists},
	{"LimitPodHardAntiAffinityTopology", false, newLimitPodHardAntiAffinityTopology},
	{"LimitRanger", true, newLimitRanger},
	{"ServiceAccount", true, newServiceAccount},
	{"NodeRestriction", false, newNodeRestriction},
	{"TaintNodesByCondition", true, newTaintNodesByCondition},
	{"AlwaysPullImages", false, newAlwaysPullImages},
	{"ImagePolicyWebhook", false, newImagePolicyWebhook},
	{"PodSecurity", true, newPodSecurity},
	{"PodNodeSelector", false, newPodNodeSelector},
	{"Priority", true, newPriority},
	{"DefaultTolerationSeconds", true, newDefaultTolerationSeconds},
	{"PodTolerationRestriction", false, newPodTolerationRestriction},
	{"EventRateLimit", false, newEventRateLimit},
	{"ExtendedResourceToleration", false, newExtendedResourceToleration},
	{"DefaultStorageClass", true, newDefaultStorageClass},
	{"StorageObjectInUseProtection", true, newStorageObjectInUseProtection},
	{"OwnerReferencesPermissionEnforcement", false, newOwnerReferences},
	{"PersistentVolumeClaimResize", true, newPersistentVolumeClaimResize},
	{"RuntimeClass", true, newRuntimeClass},
	{"CertificateApproval", true, newCertificateApproval},
	{"CertificateSigning", true, newCertificateSigning},
	{"ClusterTrustBundleAttest", true, newClusterTrustBundleAttest},
	{"CertificateSubjectRestriction", true, newCertificateSubjectRestriction},
	{"DefaultIngressClass", true, newDefaultIngressClass},
	{"DenyServiceExternalIPs", false, newDenyServiceExternalIPs},
	{"PodTopologyLabels", true, newPodTopologyLabels},
	{"NodeDeclaredFeatureValidator", true, nil}, // of a feature that is off
	{"PodResizeValidator", true, newPodResizeValidator},

	// What users add comes behind what is built in, and sees what that has made.
	{"MutatingAdmissionPolicy", true, newMutatingAdmissionPolicy},
	{"MutatingAdmissionWebhook", true, newMutatingAdmissionWebhook},
	{"ValidatingAdmissionPolicy", true, newValidatingAdmissionPolicy},
	{"ValidatingAdmissionWebhook", true, newValidatingAdmissionWebhook},
	{"ResourceQuota", true, newResourceQuota},
	{"AlwaysDeny", false, newAlwaysDeny},
}

// Options are what the flags say.
type Options struct {
	// Enable and Disable change which plugins are called.
	Enable, Disable []string
	// ConfigFile is an AdmissionConfiguration with the plugins' own settings.
	ConfigFile string
	// NotReadyTolerationSeconds and UnreachableTolerationSeconds are how long
	// pods stay on a node that fails.
	NotReadyTolerationSeconds, UnreachableTolerationSeconds int64
}

// Env is what plugins work with.
type Env struct {
	Registry   *registry.Registry
	Authorizer authz.Authorizer
	Clock      registry.Clock
	// Quota has the accounts of ResourceQuotas.
	Quota *quota.Ledger
	// Webhooks calls users' admission webhooks.
	Webhooks *calls.Clients
	Options  Options
}

// deps is Env with what several plugins share.
type deps struct {
	Env
	settings       map[string][]byte // by plugin, as YAML or JSON
	namespaces     *lookup[*corev1.Namespace]
	storageClasses *lookup[*storagev1.StorageClass]
}

// New gives the chain of the plugins that the options choose. Its errors name
// the flag.
func New(e Env) (*admission.Chain, error) {
	enabled, err := choose(e.Options.Enable, e.Options.Disable)
	if err != nil {
		return nil, err
	}
	settings, err := readConfig(e.Options.ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("--admission-control-config-file: %w", err)
	}
	d := &deps{
		Env:            e,
		settings:       settings,
		namespaces:     newLookup[*corev1.Namespace](e.Registry, "", "namespaces"),
		storageClasses: newLookup[*storagev1.StorageClass](e.Registry, "storage.k8s.io", "storageclasses"),
	}
	var list []admission.Plugin
	for _, p := range enabled {
		if p.make == nil {
			continue
		}
		made, err := p.make(d)
		if err != nil {
			return nil, fmt.Errorf("--admission-control-config-file: plugin %s: %w", p.name, err)
		}
		list = append(list, made)
	}
	return admission.New(list...), nil
}

// Check gives what is wrong with the two lists of names.
func Check(enable, disable []string) error {
	_, err := choose(enable, disable)
	return err
}

func choose(enable, disable []string) ([]plugin, error) {
	known := func(name string) bool {
		return slices.ContainsFunc(order, func(p plugin) bool { return p.name == name })
	}
	var errs []error
	for _, name := range enable {
		if !known(name) {
			errs = append(errs, fmt.Errorf("--enable-admission-plugins: plugin %q is unknown", name))
		}
	}
	for _, name := range disable {
		if !known(name) {
			errs = append(errs, fmt.Errorf("--disable-admission-plugins: plugin %q is unknown", name))
		}
		if slices.Contains(enable, name) {
			errs = append(errs, fmt.Errorf("plugin %q is in --enable-admission-plugins and --disable-admission-plugins", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var chosen []plugin
	for _, p := range order {
		if (p.on || slices.Contains(enable, p.name)) && !slices.Contains(disable, p.name) {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}
