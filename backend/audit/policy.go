package audit

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"pilothouse/backend/request"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// maxPolicy bounds a policy file, in bytes.
const maxPolicy = 8 << 20

// Policy says at which level a request is audited.
type Policy struct {
	rules    []rule
	fallback Config
}

// Config is what the policy says of one request.
type Config struct {
	Level             auditv1.Level
	OmitManagedFields bool
	omitted           stages
}

// Omits tells whether no event is made at a stage.
func (c *Config) Omits(s auditv1.Stage) bool { return c.omitted&stageBit(s) != 0 }

// stages is a set of stages.
type stages uint8

func stageBit(s auditv1.Stage) stages {
	if i := slices.Index(allStages, s); i >= 0 {
		return 1 << i
	}
	return 0
}

func stagesOf(lists ...[]auditv1.Stage) (set stages) {
	for _, list := range lists {
		for _, s := range list {
			set |= stageBit(s)
		}
	}
	return set
}

var (
	allStages = []auditv1.Stage{auditv1.StageRequestReceived, auditv1.StageResponseStarted, auditv1.StageResponseComplete, auditv1.StagePanic}
	allLevels = []auditv1.Level{auditv1.LevelNone, auditv1.LevelMetadata, auditv1.LevelRequest, auditv1.LevelRequestResponse}
)

// LoadPolicy reads a policy file. An error is one line and names the file.
func LoadPolicy(path string) (*Policy, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := ParsePolicy(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.Join(strings.Fields(err.Error()), " "))
	}
	return p, nil
}

// ParsePolicy reads a Policy of audit.k8s.io/v1 in YAML or JSON. Unknown and
// duplicate fields are errors: a rule that is not what its author meant leaves
// holes in the log.
func ParsePolicy(b []byte) (*Policy, error) {
	if len(b) > maxPolicy {
		return nil, fmt.Errorf("the policy is larger than %d bytes", maxPolicy)
	}
	j, err := yaml.YAMLToJSONStrict(b)
	if err != nil {
		return nil, err
	}
	var p auditv1.Policy
	strict, err := json.UnmarshalStrict(j, &p)
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, err
	}
	if p.APIVersion != auditv1.SchemeGroupVersion.String() || p.Kind != "Policy" {
		return nil, fmt.Errorf("want apiVersion %s and kind Policy, not %q and %q", auditv1.SchemeGroupVersion, p.APIVersion, p.Kind)
	}
	if errs := validatePolicy(&p); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	if len(p.Rules) == 0 {
		return nil, errors.New("the policy has no rules")
	}
	return compile(&p), nil
}

func validatePolicy(p *auditv1.Policy) field.ErrorList {
	errs := validateStages(p.OmitStages, field.NewPath("omitStages"))
	for i := range p.Rules {
		errs = append(errs, validateRule(&p.Rules[i], field.NewPath("rules").Index(i))...)
	}
	return errs
}

func validateRule(r *auditv1.PolicyRule, at *field.Path) (errs field.ErrorList) {
	switch {
	case r.Level == "":
		errs = append(errs, field.Required(at.Child("level"), ""))
	case !slices.Contains(allLevels, r.Level):
		errs = append(errs, field.NotSupported(at.Child("level"), r.Level, allLevels))
	}
	for i, url := range r.NonResourceURLs {
		errs = append(errs, validateURL(url, at.Child("nonResourceURLs").Index(i))...)
	}
	for i := range r.Resources {
		errs = append(errs, validateResources(&r.Resources[i], at.Child("resources").Index(i))...)
	}
	errs = append(errs, validateStages(r.OmitStages, at.Child("omitStages"))...)
	if len(r.NonResourceURLs) > 0 && len(r.Resources)+len(r.Namespaces) > 0 {
		errs = append(errs, field.Invalid(at.Child("nonResourceURLs"), r.NonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs"))
	}
	return errs
}

func validateURL(url string, at *field.Path) (errs field.ErrorList) {
	if url == "*" {
		return nil
	}
	if !strings.HasPrefix(url, "/") {
		errs = append(errs, field.Invalid(at, url, "non-resource URL rules must begin with a '/' character"))
	}
	if url != "" && strings.Contains(url[:len(url)-1], "*") {
		errs = append(errs, field.Invalid(at, url, "non-resource URL wildcards '*' must be the final character of the rule"))
	}
	return errs
}

func validateResources(g *auditv1.GroupResources, at *field.Path) (errs field.ErrorList) {
	if g.Group != "" && g.Group != "*" {
		for _, fault := range validation.NameIsDNSSubdomain(g.Group, false) {
			errs = append(errs, field.Invalid(at.Child("group"), g.Group, fault))
		}
	}
	if len(g.ResourceNames) > 0 && len(g.Resources) == 0 {
		errs = append(errs, field.Invalid(at.Child("resourceNames"), g.ResourceNames, "using resourceNames requires at least one resource"))
	}
	return errs
}

func validateStages(list []auditv1.Stage, at *field.Path) (errs field.ErrorList) {
	for i, s := range list {
		if !slices.Contains(allStages, s) {
			errs = append(errs, field.NotSupported(at.Index(i), s, allStages))
		}
	}
	return errs
}

// rule is a PolicyRule with what can be done once done.
type rule struct {
	auditv1.PolicyRule
	config    Config
	resources []groupResources
}

type groupResources struct {
	group     string
	resources []resourcePattern
	names     []string
}

// resourcePattern is RESOURCE, RESOURCE/SUBRESOURCE, RESOURCE/*, */SUBRESOURCE
// or *.
type resourcePattern struct{ resource, sub string }

func compile(p *auditv1.Policy) *Policy {
	out := &Policy{fallback: Config{Level: auditv1.LevelNone, OmitManagedFields: p.OmitManagedFields, omitted: stagesOf(p.OmitStages)}}
	for _, r := range p.Rules {
		c := rule{PolicyRule: r, config: Config{r.Level, p.OmitManagedFields, stagesOf(p.OmitStages, r.OmitStages)}}
		if r.OmitManagedFields != nil {
			c.config.OmitManagedFields = *r.OmitManagedFields
		}
		for _, g := range r.Resources {
			one := groupResources{group: g.Group, names: g.ResourceNames}
			for _, text := range g.Resources {
				resource, sub, _ := strings.Cut(text, "/")
				one.resources = append(one.resources, resourcePattern{resource, sub})
			}
			c.resources = append(c.resources, one)
		}
		out.rules = append(out.rules, c)
	}
	return out
}

// Match gives what the first rule that fits says; without one nothing is
// audited. u is nil for who could not be authenticated.
func (p *Policy) Match(u *request.User, i *request.Info) *Config {
	for k := range p.rules {
		if p.rules[k].matches(u, i) {
			return &p.rules[k].config
		}
	}
	return &p.fallback
}

func (r *rule) matches(u *request.User, i *request.Info) bool {
	switch {
	case len(r.Users) > 0 && (u == nil || !slices.Contains(r.Users, u.Name)),
		len(r.UserGroups) > 0 && !slices.ContainsFunc(r.UserGroups, u.InGroup),
		len(r.Verbs) > 0 && !slices.Contains(r.Verbs, i.Verb):
		return false
	case len(r.Namespaces) > 0 || len(r.resources) > 0:
		return i.IsResource && r.matchesResource(i)
	case len(r.NonResourceURLs) > 0:
		return !i.IsResource && slices.ContainsFunc(r.NonResourceURLs, func(spec string) bool { return pathMatches(i.Path, spec) })
	}
	return true
}

func (r *rule) matchesResource(i *request.Info) bool {
	if len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, i.Namespace) {
		return false
	}
	if len(r.resources) == 0 {
		return true
	}
	for k := range r.resources {
		g := &r.resources[k]
		if g.group != i.Group && g.group != "*" {
			continue
		}
		if len(g.resources) == 0 {
			return true
		}
		if len(g.names) > 0 && !slices.Contains(g.names, i.Name) {
			continue
		}
		for _, p := range g.resources {
			if p.matches(i) {
				return true
			}
		}
	}
	return false
}

// matches follows Kubernetes, where pods/* is pods as well.
func (p resourcePattern) matches(i *request.Info) bool {
	switch {
	case p.resource == "*" && p.sub == "":
		return true
	case p.resource == "*":
		return p.sub == i.Subresource
	case p.sub == "*":
		return p.resource == i.Resource
	}
	return p.resource == i.Resource && p.sub == i.Subresource
}

func pathMatches(path, spec string) bool {
	if start, ok := strings.CutSuffix(spec, "*"); ok {
		return strings.HasPrefix(path, start)
	}
	return path == spec
}
