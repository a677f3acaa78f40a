package resource

import (
	"fmt"
	"sync"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/ext"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

// validateSelectors checks the expressions that choose devices.
func validateSelectors(selectors []resourcev1.DeviceSelector, at *field.Path) field.ErrorList {
	return slice(selectors, resourcev1.DeviceSelectorsMaxSize, at, func(s resourcev1.DeviceSelector, at *field.Path) field.ErrorList {
		if s.CEL == nil {
			return field.ErrorList{field.Required(at.Child("cel"), "")}
		}
		return validateSelector(s.CEL.Expression, at.Child("cel", "expression"))
	})
}

func validateSelector(text string, at *field.Path) field.ErrorList {
	if len(text) > resourcev1.CELSelectorExpressionMaxLength {
		return field.ErrorList{field.TooLong(at, "", resourcev1.CELSelectorExpressionMaxLength)}
	}
	env, err := selectorEnv()
	if err != nil {
		return field.ErrorList{field.InternalError(at, err)}
	}
	ast, issues := env.Compile(text)
	if issues != nil {
		return field.ErrorList{field.Invalid(at, text, "compilation failed: "+issues.String())}
	}
	if t := ast.OutputType(); !t.IsExactType(celgo.BoolType) && !t.IsExactType(celgo.AnyType) {
		return field.ErrorList{field.Invalid(at, text, fmt.Sprintf("must evaluate to %v or the unknown type, not %v", celgo.BoolType, t))}
	}
	cost, err := env.EstimateCost(ast, &library.CostEstimator{SizeEstimator: sizes{}})
	if err != nil {
		return field.ErrorList{field.InternalError(at, fmt.Errorf("cost estimation failed: %w", err))}
	}
	if cost.Max > resourcev1.CELSelectorExpressionMaxCost {
		return field.ErrorList{field.Forbidden(at, "too complex, exceeds cost limit")}
	}
	return nil
}

// selectorEnv is the environment of selectors: one variable, device, with its
// driver's name, and its attributes and capacities by domain and name.
var selectorEnv = sync.OnceValues(func() (*celgo.Env, error) {
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(
		environment.VersionedOptions{
			IntroducedVersion: version.MajorMinor(1, 31),
			EnvOptions: []celgo.EnvOption{
				celgo.Variable("device", deviceType.CelType()),
				ext.Bindings(ext.BindingsVersion(0)),
			},
			DeclTypes: []*apiservercel.DeclType{deviceType},
		},
		environment.VersionedOptions{
			IntroducedVersion: version.MajorMinor(1, 31),
			EnvOptions:        []celgo.EnvOption{library.SemverLib(library.SemverVersion(0))},
		},
	)
	if err != nil {
		return nil, fmt.Errorf("extend CEL environment: %w", err)
	}
	return set.NewExpressionsEnv(), nil
})

var deviceType = func() *apiservercel.DeclType {
	const most = resourcev1.ResourceSliceMaxAttributesAndCapacitiesPerDevice
	id, domain := boundedString(resourcev1.DeviceMaxIDLength), boundedString(resourcev1.DeviceMaxDomainLength)
	byDomain := func(t *apiservercel.DeclType) *apiservercel.DeclType {
		return apiservercel.NewMapType(domain, apiservercel.NewMapType(id, t, most), most)
	}
	fields := map[string]*apiservercel.DeclField{}
	for name, t := range map[string]*apiservercel.DeclType{
		"driver":                   boundedString(resourcev1.DriverNameMaxLength),
		"attributes":               byDomain(apiservercel.AnyType),
		"capacity":                 byDomain(apiservercel.QuantityDeclType),
		"allowMultipleAllocations": apiservercel.BoolType,
	} {
		fields[name] = apiservercel.NewDeclField(name, t, true, nil, nil)
	}
	return apiservercel.NewObjectType("kubernetes.DRADevice", fields)
}()

func boundedString(length int64) *apiservercel.DeclType {
	t := *apiservercel.StringType
	t.MaxElements = length
	return &t
}

// sizes tells the cost estimate how large the parts of a device can get.
type sizes struct{}

func (sizes) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	path := element.Path()
	if len(path) == 0 || path[0] != "device" {
		return nil
	}
	t := deviceType
	for _, step := range path[1:] {
		switch step {
		case "@items", "@values":
			t = t.ElemType
		case "@keys":
			t = t.KeyType
		default:
			f, found := t.Fields[step]
			if !found {
				return nil
			}
			t = f.Type
		}
		if t == nil {
			return nil
		}
	}
	return &checker.SizeEstimate{Min: 0, Max: uint64(t.MaxElements)}
}

func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}
