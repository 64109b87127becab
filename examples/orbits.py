"""A flight to Mars, aimed by gradients through every time step of a leapfrog integrator.

    python examples/orbits.py
    python examples/orbits.py --departure 2022-09-10 --days 210

With which velocity must a probe leave Earth to meet Mars after so many days?  Newton's method finds it, by the Jacobian
of the place after 400 time steps by the velocity before them.  The defaults are the dates of the rover Perseverance, of
which the launch energy is known.  Then the dates are set free too, and SciPy's SLSQP looks for the launch window: the
least sum of the speeds to gain at Earth and to lose at Mars, by gradient and Jacobian of the same flight.

The probe feels the Sun alone; the planets move as in JPL's table.  The orbit that Kepler's laws give for the same start
tells how far off the integrator is.  The picture goes to ``--out`` as ``orbits.png``.  Units are SI unless said.
"""

import argparse
import datetime
import math
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

import xgrad as xg
from xgrad import jacobian, jvp, value_and_grad

GM = 1.32712440018e20  # of the Sun, m**3 / s**2
AU, DAY, KM = 1.495978707e11, 86400.0, 1000.0
# Keplerian elements at noon of 2000-01-01 and their change per century, good for 1800 to 2050 (E. M. Standish, JPL):
# half axis (AU), eccentricity, inclination, mean longitude, longitude of the perihelion and of the node (degrees)
EARTH = (
    (1.00000261, 0.01671123, -0.00001531, 100.46457166, 102.93768193, 0.0),
    (0.00000562, -0.00004392, -0.01294668, 35999.37244981, 0.32327364, 0.0),
)
MARS = (
    (1.52371034, 0.09339410, 1.84969142, -4.55343205, -23.94362959, 49.55953891),
    (0.00001847, 0.00007882, -0.00813131, 19140.30268499, 0.44441088, -0.29257343),
)
EPOCH = datetime.date(2000, 1, 1)
PERSEVERANCE = datetime.date(2020, 7, 30), 203  # launch and days of flight
PUBLISHED = 14.49  # its launch energy C3, km**2 / s**2, as ULA gave it
BLUE, ORANGE, RED = "#2563a8", "#e07b26", "#c02a2a"


def position(planet: tuple, day: xg.Tensor) -> xg.Tensor:
    """Where a planet is, ``day`` days after the epoch: (..., 3), in the plane of Earth's orbit and above it."""
    axis, e, *angles = (start + rate * (day / 36525) for start, rate in zip(*planet, strict=True))
    tilt, longitude, perihelion, node = (np.deg2rad(angle) for angle in angles)
    mean = longitude - perihelion
    anomaly = mean + e * np.sin(mean)
    for _ in range(5):  # Newton's method for Kepler's equation
        anomaly = anomaly - (anomaly - e * np.sin(anomaly) - mean) / (1 - e * np.cos(anomaly))
    x = axis * AU * (np.cos(anomaly) - e)
    y = axis * AU * np.sqrt(1 - e**2) * np.sin(anomaly)
    turn = perihelion - node
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    y, z = y * np.cos(tilt), y * np.sin(tilt)
    return np.stack([x * np.cos(node) - y * np.sin(node), x * np.sin(node) + y * np.cos(node), z], axis=-1)


def motion(planet: tuple, day: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
    """Position and velocity of a planet: the velocity is the derivative of the position, in forward mode."""
    place, per_day = jvp(lambda day: position(planet, day), (day,), (np.ones_like(day),))
    return place, per_day / DAY


def pull(x: xg.Tensor) -> xg.Tensor:
    """The acceleration by the Sun, (..., 3)."""
    square = np.sum(x**2, axis=-1, keepdims=True)
    return -GM * x / (square * np.sqrt(square))


def fly(x: xg.Tensor, v: xg.Tensor, days: xg.Tensor, steps: int) -> tuple[list[xg.Tensor], xg.Tensor]:
    """The positions of a probe before and after every step, and its last velocity.  Leading axes are further probes."""
    h = days[..., None] * DAY / steps
    path = [x]
    v = v + 0.5 * h * pull(x)
    for _ in range(steps):
        x = x + h * v
        v = v + h * pull(x)
        path.append(x)
    return path, v - 0.5 * h * pull(x)


def aim(
    start: xg.Tensor, v: xg.Tensor, goal: xg.Tensor, days: xg.Tensor, steps: int
) -> list[tuple[xg.Tensor, xg.Tensor]]:
    """Launch velocities by Newton's method, and how far from the goal each flight ends, until that is below a km."""

    def miss(v: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
        offset = fly(start, v, days, steps)[0][-1] - goal
        together = np.sum(np.reshape(offset, (-1, 3)), axis=0)  # no probe feels another: the sum has all derivatives
        return together, offset

    tries = []
    for _ in range(10):
        rates, offset = jacobian(miss, has_aux=True)(v)
        tries.append((v, length(offset)))
        if float(np.max(tries[-1][1])) < KM:
            break
        v = v - np.linalg.solve(np.moveaxis(rates, 0, -2), offset[..., None])[..., 0]
    return tries


def journey(z: xg.Tensor, day: float, steps: int) -> tuple[xg.Tensor, xg.Tensor, xg.Tensor]:
    """Speeds to gain at Earth and to lose at Mars (km/s), and the miss, (3,), in AU.

    ``z`` holds the velocity beyond that of Earth (km/s), the departure since ``day`` and the flight (tens of days).
    """
    departure, days = day + 10 * z[3], 10 * z[4]
    start, earth = motion(EARTH, departure)
    goal, mars = motion(MARS, departure + days)
    path, v = fly(start, earth + KM * z[:3], days, steps)
    return length(z[:3]), length(v - mars) / KM, (path[-1] - goal) / AU


def search(z: np.ndarray, day: float, steps: int, device: str) -> list[np.ndarray]:
    """From ``z`` to the least sum of both speeds among the flights that arrive; all points on the way."""
    total = value_and_grad(lambda z: sum(journey(z, day, steps)[:2]))
    miss = lambda z: journey(z, day, steps)[2]

    def cost(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = total(xg.asarray(z, device=device))
        return float(value), gradient.numpy()

    arrives = {
        "type": "eq",
        "fun": lambda z: miss(xg.asarray(z, device=device)).numpy(),
        "jac": lambda z: jacobian(miss)(xg.asarray(z, device=device)).numpy(),
    }
    way = [z]
    options = {"ftol": 1e-8, "maxiter": 100}
    found = minimize(cost, z, jac=True, method="SLSQP", constraints=arrives, callback=way.append, options=options)
    if not found.success:
        print(f"\nthe search for better dates has not arrived: {found.message}")
    return way


def kepler(x: np.ndarray, v: np.ndarray, seconds: float) -> np.ndarray:
    """Where the ellipse that starts at ``x`` with ``v`` leads: exact, for a check."""
    r = np.linalg.norm(x)
    a = 1 / (2 / r - v @ v / GM)
    p, q, mean = 1 - r / a, x @ v / math.sqrt(GM * a), seconds * math.sqrt(GM / a**3)
    turn = mean
    for _ in range(30):  # Newton's method again, for the eccentric anomaly since the start
        turn -= (turn - p * np.sin(turn) + q * (1 - np.cos(turn)) - mean) / (1 - p * np.cos(turn) + q * np.sin(turn))
    return (1 - a / r * (1 - np.cos(turn))) * x + (seconds - math.sqrt(a**3 / GM) * (turn - np.sin(turn))) * v


def energy(x: xg.Tensor, v: xg.Tensor) -> float:
    """Per kilogram of the probe, in J."""
    return float(0.5 * np.sum(v**2) - GM / np.sqrt(np.sum(x**2)))


def length(x: xg.Tensor) -> xg.Tensor:
    """Of vectors along the last axis."""
    return np.sqrt(np.sum(x**2, axis=-1))


def main() -> None:
    """Read the options, aim, search, report."""
    launch, flight = PERSEVERANCE
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--departure", type=date, default=launch, help="as 2020-07-30 (default: %(default)s)")
    parser.add_argument("--days", type=positive, default=flight, help="of flight (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=400, help="of the integrator (default: %(default)s)")
    parser.add_argument("--grid", type=positive, default=25, help="side of the map of dates (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default: %(default)s)")
    options = parser.parse_args()
    if options.grid < 2:
        parser.error(f"argument --grid: must be at least 2, got {options.grid}")
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"argument --out: {options.out} is a file, not a folder")
    device, steps = options.device, options.steps
    try:
        xg.zeros(1, device=device)
    except ValueError as error:  # a device that is not there
        print(f"orbits.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(1)  # the arrays are small: threads would only wait for each other

    clock = time.perf_counter()
    day = float((options.departure - EPOCH).days)
    departure, days = xg.asarray(day, device=device), xg.asarray(float(options.days), device=device)
    start, earth = motion(EARTH, departure)
    goal, mars = motion(MARS, departure + days)
    tries = aim(start, earth, goal, days, steps)
    hours = 24 * options.days / steps
    print(f"departure {options.departure}, {options.days} days of flight, {steps} steps of {hours:.1f} h")
    print("Newton   speed beyond Earth's   distance missed")
    for i, (v, missed) in enumerate(tries):
        print(f"{i:6d} {float(length(v - earth)) / KM:15.6f} km/s {float(missed) / KM:18,.3f} km")
    v, missed = tries[-1]
    if float(missed) >= KM:
        print("orbits.py: Newton's method found no flight for these dates; choose others", file=sys.stderr)
        sys.exit(1)

    path, last = fly(start, v, days, steps)
    gain, brake = float(length(v - earth)) / KM, float(length(last - mars)) / KM
    known = (options.departure, options.days) == PERSEVERANCE
    print(f"\nlaunch energy C3 {gain**2:.3f} km2/s2{f' (Perseverance: {PUBLISHED})' if known else ''}")
    before, after = energy(start, v), energy(path[-1], last)
    print(f"energy {before / 1e6:.6f} MJ/kg, drift over the flight {abs(after / before - 1):.1e} of it")
    if before < 0:  # no ellipse otherwise
        exact = kepler(start.numpy(), v.numpy(), options.days * DAY)
        ends = [fly(start, v, days, n)[0][-1].numpy() for n in (steps, 2 * steps)]
        near, nearer = (np.linalg.norm(end - exact) / KM for end in ends)
        print(f"Kepler's ellipse ends {near:,.0f} km from there; with {2 * steps} steps {nearer:,.0f} km")

    z = np.concatenate([(v - earth).numpy() / KM, [0.0, options.days / 10]])
    points = search(z, day, steps, device)
    found = [float(speed) for speed in journey(xg.asarray(points[-1], device=device), day, steps)[:2]]
    a, b = AU * EARTH[0][0], AU * MARS[0][0]
    ideal = [math.sqrt(GM / r) * abs(math.sqrt(2 * other / (a + b)) - 1) / KM for r, other in ((a, b), (b, a))]
    best = EPOCH + datetime.timedelta(days=round(day + 10 * points[-1][3]))
    print("\n              departure   days   gain at Earth   lose at Mars        sum")
    for name, when, span, *pair in (
        ("these dates", f"{options.departure}", f"{options.days:.1f}", gain, brake),
        ("dates found", f"{best}", f"{10 * points[-1][4]:.1f}", *found),
        ("Hohmann", "circular", "orbits", *ideal),
    ):
        print(f"{name:11s} {when:>11s} {span:>6s} {pair[0]:10.3f} km/s {pair[1]:9.3f} km/s {sum(pair):5.3f} km/s")

    table = window(day, options.days, options.grid, steps, device)
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [np.array([x.numpy() for x in fly(start, v, days, steps)[0]]) for v, _ in tries]
    draw(options, paths, tries, points, table, options.out / "orbits.png")
    print(f"\n{time.perf_counter() - clock:.1f} s on {device}; wrote {options.out / 'orbits.png'}")


def window(day: float, days: float, grid: int, steps: int, device: str) -> tuple[np.ndarray, ...]:
    """Departures and durations around these dates, (grid,) each, and the sum of both speeds (km/s), (grid, grid)."""
    departures, durations = np.linspace(day - 45, day + 45, grid), np.linspace(0.7 * days, 1.2 * days, grid)
    first, span = (xg.asarray(v, device=device) for v in np.meshgrid(departures, durations, indexing="ij"))
    start, earth = motion(EARTH, first)
    goal, mars = motion(MARS, first + span)
    v, missed = aim(start, 1.1 * earth, goal, span, steps)[-1]
    last = fly(start, v, span, steps)[1]
    total = (length(v - earth) + length(last - mars)) / KM
    return departures, durations, np.where(missed < KM, total, np.nan).numpy()


def date(text: str) -> datetime.date:
    """A day from 1800 to 2049, for argparse."""
    day = datetime.date.fromisoformat(text)
    if not 1800 <= day.year < 2050:
        raise argparse.ArgumentTypeError(f"the planets' table is good from 1800 to 2049, got {text}")
    return day


def positive(text: str) -> int:
    """An int of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def draw(
    options: argparse.Namespace,
    paths: list[np.ndarray],
    tries: list[tuple[xg.Tensor, xg.Tensor]],
    points: list[np.ndarray],
    table: tuple[np.ndarray, ...],
    path: Path,
) -> None:
    """The flights of Newton's method seen from above, and the map of dates with the way of the search."""
    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(15, 6.4), dpi=130, layout="constrained")
    figure.suptitle("Aimed by gradients through every step of the flight", fontsize=14)
    sky, keys, dates = figure.subplots(1, 3, width_ratios=[1, 0.42, 1])

    day = (options.departure - EPOCH).days
    for name, planet, period, color in (("Earth", EARTH, 365.3, BLUE), ("Mars", MARS, 687.0, RED)):
        sky.plot(*position(planet, day + np.linspace(0, period, 400)).T[:2] / AU, color=color, lw=1, alpha=0.6)
        for when, fill in ((0, "none"), (options.days, color)):
            x, y, _ = position(planet, np.array(float(day + when))) / AU
            sky.plot(x, y, "o", ms=9, mec=color, mfc=fill, label=f"{name} at {'arrival' if when else 'departure'}")
    sky.plot(0, 0, "o", ms=13, color="#f2b705", label="Sun")
    for i, (line, (_, missed)) in enumerate(zip(paths, tries, strict=True)):
        best = i == len(paths) - 1
        style = (
            {"color": "black", "lw": 2} if best else {"color": ORANGE, "lw": 1.2, "alpha": 0.35 + 0.5 * i / len(paths)}
        )
        text = f"by {float(missed) / KM:,.0f} km" if float(missed) >= KM else "by less than 1 km"
        sky.plot(*line.T[:2] / AU, label=f"Newton {i}: misses {text}", **style)
    sky.set(title=f"Departure {options.departure}, {options.days} days of flight", xlabel="x (AU)", ylabel="y (AU)")
    sky.set_aspect("equal")
    keys.legend(*sky.get_legend_handles_labels(), frameon=False, fontsize=9, loc="center left")
    keys.set_axis_off()

    departures, durations, total = table
    if np.isfinite(total).any():
        levels = np.floor(10 * np.nanmin(total)) / 10 + np.array(
            [0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
        )
        filled = dates.contourf(departures - day, durations, total.T, levels=levels, cmap="viridis_r", extend="max")
        figure.colorbar(filled, ax=dates, label="speed to gain at Earth + to lose at Mars (km/s)", format="%.2f")
        way = np.array([(10 * p[3], 10 * p[4]) for p in points])
    dates.set_facecolor("#d1d5db")
    dates.plot(*way.T, "-o", color=ORANGE, ms=4, lw=1.5, label="search by SLSQP")
    dates.plot(*way[0], "s", color="black", ms=8, label="these dates")
    dates.plot(*way[-1], "*", color=RED, ms=15, label="dates found")
    dates.set(
        title="Launch window (grey: no flight found)",
        xlabel=f"departure (days after {options.departure})",
        ylabel="days of flight",
    )
    dates.legend(loc="upper right", framealpha=0.9)
    figure.savefig(path)


if __name__ == "__main__":
    main()
