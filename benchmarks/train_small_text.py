"""Trains the small text encoder to give MiniLM's pooled embeddings of action texts; prints its held-out cosines.

    python benchmarks/train_small_text.py --out src/slowfast_vgen/weights/text

Needs the package of all-MiniLM-L6-v2 (requirements-no-deps.txt). The texts are made here: the narrations of the table
of Meta-World with exact spots among them, the phrasings of first-person worlds with fillers and typing errors, and
instructions of many verbs and things. Held out are a tenth of the texts, and all texts with some of the words.
"""

import argparse
import json
import time
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from slowfast_envs.actions import PHRASINGS, RETRACE_PHRASINGS
from slowfast_envs.metaworld.instructions import carry_text, known_texts
from slowfast_envs.metaworld.layout import COLOURS, SHAPES
from slowfast_vgen.action_texts import tokenizer
from slowfast_vgen.models.small_text import BUCKETS, WEIGHTS_FILE, SmallTextEncoder, features
from slowfast_vgen.models.text import TextEncoder


def words_in(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


VERBS = words_in("""
open close take put pick pour cut wash stir mix turn push pull slide lift place move bring carry drop throw hold
grab press rotate fold unfold fill empty peel chop dry wipe clean shake squeeze hang remove insert attach detach
stack unstack flip lower raise reach touch knock roll twist screw unscrew lock unlock plug unplug switch walk run
jump climb crouch look face step go drive steer brake accelerate overtake park reverse follow approach leave enter
exit cross attack mine craft build dig collect shoot dodge wait stay stop start pause search find check read write
draw paint sweep mop vacuum cook boil fry bake grill serve eat drink taste smell sort count measure weigh tie untie
wrap unwrap
""")
WAYS = (
    "{verb} the {noun}", "{verb} {noun}", "{verb} the {adjective} {noun}", "{verb} a {noun} with the {other}",
    "{verb} the {noun} {where} the {other}", "{verb} the {adjective} {noun} {where} the {other}",
    "{verb} the {noun} and {verb2} the {other}", "{verb} {side}", "{verb} {side} and {verb2} the {noun}",
    "{verb} up the {noun}", "{verb} it {where} the {noun}", "slowly {verb} the {noun}", "{verb} towards the {noun}",
)  # fmt: skip
WHERE = words_in("""
in on into onto under behind beside above below near from to through across along around against off
""")
SIDES = words_in("""
left right forward back backward up down straight around away
""")
ADJECTIVES = words_in("""
red blue green yellow white black brown grey pink purple orange small large big little wooden metal plastic glass
open closed empty full left right upper lower front back old new clean dirty hot cold wet dry round square long
short heavy
""")
FILLERS_BEFORE = ("please ", "now ", "slowly ", "then ", "ok, ", "quickly ", "i want you to ", "next, ", "carefully ")
FILLERS_AFTER = (
    " please",
    " now",
    " a bit",
    " slowly",
    " again",
    " for a moment",
    " from here",
    ".",
    "!",
    " once more",
)


def table_texts(rng: np.random.Generator, count: int) -> list[str]:
    """Narrations of the table, a third of them with exact spots."""
    blocks = [f"{colour} {shape}" for colour in COLOURS for shape in sorted(set(SHAPES))]
    known = sorted(known_texts(blocks))
    texts = [known[index] for index in rng.permutation(len(known))[: 2 * count // 3]]
    while len(texts) < count:
        spot = (float(rng.uniform(-0.45, 0.45)), float(rng.uniform(0.35, 0.95)))
        texts.append(carry_text(blocks[rng.integers(len(blocks))], spot))
    return texts


def mistyped(rng: np.random.Generator, text: str) -> str:
    """The text with one letter left out, doubled, changed or swapped with the next."""
    at = int(rng.integers(len(text)))
    letter = chr(97 + int(rng.integers(26)))
    return (
        text[:at] + text[at + 1 :],
        text[:at] + text[at] + text[at:],
        text[:at] + letter + text[at + 1 :],
        text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :],
    )[int(rng.integers(4))]


def verb_texts(rng: np.random.Generator, count: int) -> list[str]:
    """Phrasings of first-person worlds, as people would vary them."""
    known = [one for phrasings in (*PHRASINGS.values(), RETRACE_PHRASINGS) for one in phrasings]
    texts = list(known)
    while len(texts) < count:
        text = known[rng.integers(len(known))]
        if rng.random() < 0.5:
            text = FILLERS_BEFORE[rng.integers(len(FILLERS_BEFORE))] + text
        if rng.random() < 0.5:
            text += FILLERS_AFTER[rng.integers(len(FILLERS_AFTER))]
        if rng.random() < 0.2:
            text += " and " + known[rng.integers(len(known))]
        texts.append(mistyped(rng, text) if rng.random() < 0.2 else text)
    return texts


def general_texts(rng: np.random.Generator, count: int, nouns: list[str]) -> list[str]:
    """Instructions of many verbs and things."""
    draw = lambda words: words[int(rng.integers(len(words)))]  # noqa: E731
    return [
        draw(WAYS).format(
            verb=draw(VERBS), verb2=draw(VERBS), noun=draw(nouns), other=draw(nouns), adjective=draw(ADJECTIVES),
            where=draw(WHERE), side=draw(SIDES),
        )
        for _ in range(count)
    ]  # fmt: skip


def pooled(encoder: TextEncoder, texts: list[str]) -> torch.Tensor:
    """MiniLM's pooled embeddings: texts of one length together, products in bfloat16."""
    ids = [tokenizer().encode(text).ids for text in texts]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    result = torch.empty(len(texts), 384)
    start, begun = 0, time.time()
    while start < len(order):
        length = len(ids[order[start]])
        stop = start
        while stop < len(order) and stop - start < 512 and len(ids[order[stop]]) == length:
            stop += 1
        rows = order[start:stop]
        batch = torch.tensor([ids[row] for row in rows])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            hidden = encoder.model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state
        result[rows] = torch.nn.functional.normalize(hidden.float().mean(1), dim=-1)
        start = stop
        if start % 20 == 0:
            print(f"{start} of {len(order)} embedded, {time.time() - begun:.0f} s", end="\r", flush=True)
    return result


def numbers_of(text: str) -> list[int]:
    """Rows of the table that a text looks up."""
    return [zlib.crc32(one.encode()) % BUCKETS for one in features(text)]


def main() -> None:
    """Makes the texts, embeds them once, trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/small-text.pt"))
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=24)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    nouns = sorted(word for word in tokenizer().get_vocab() if word.isascii() and word.isalpha() and len(word) > 2)
    rare = set(rng.permutation(nouns)[:300].tolist())  # no training text has one of these
    kinds = {
        "table": table_texts(rng, args.texts * 4 // 10),
        "verbs": verb_texts(rng, args.texts // 10),
        "general": general_texts(rng, args.texts // 2, nouns),
    }
    texts = list(dict.fromkeys(text for one in kinds.values() for text in one if len(text) > 1))
    kind_of = {text: kind for kind, one in kinds.items() for text in one}
    if args.cache.is_file():
        told = torch.load(args.cache, weights_only=True)
    else:
        told = pooled(TextEncoder.load(), texts)
        args.cache.parent.mkdir(parents=True, exist_ok=True)
        torch.save(told, args.cache)
    unseen_word = np.array([bool(rare & set(text.split())) for text in texts])
    held_out = unseen_word | (rng.random(len(texts)) < 0.1)
    rows = [numbers_of(text) for text in texts]
    training = np.flatnonzero(~held_out)
    model = SmallTextEncoder()
    torch.nn.init.normal_(model.table.weight, std=0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    steps = args.epochs * (len(training) // 256)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)

    def embed(chosen: np.ndarray) -> torch.Tensor:
        begins = torch.tensor(np.cumsum([0, *(len(rows[index]) for index in chosen[:-1])]))
        return model.embed(torch.tensor(np.concatenate([rows[index] for index in chosen])), begins)

    def cosines() -> dict[str, float]:
        figures = {}
        with torch.no_grad():
            for kind in kinds:
                for name, mask in (("held out", ~unseen_word), ("unseen words", unseen_word)):
                    chosen = np.flatnonzero(held_out & mask & np.array([kind_of[text] == kind for text in texts]))[
                        :4000
                    ]
                    if len(chosen) > 20:
                        alike = (embed(chosen) * told[torch.from_numpy(chosen)]).sum(-1)
                        figures[f"{kind}, {name}"] = round(float(alike.mean()), 4)
                        figures[f"{kind}, {name}, worst twentieth"] = round(float(alike.quantile(0.05)), 4)
        return figures

    step = 0
    for epoch in range(args.epochs):
        order = rng.permutation(training)
        for start in range(0, len(order) - 255, 256):
            if step >= steps:
                break
            chosen = order[start : start + 256]
            loss = (1 - (embed(chosen) * told[torch.from_numpy(chosen)]).sum(-1)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
        if epoch % 4 == 3:
            print(epoch + 1, f"loss {float(loss):.4f}", json.dumps(cosines()), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, args.out / WEIGHTS_FILE, metadata={"format": "pt"})
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    figures = cosines()
    (args.out / "small_text.json").write_text(json.dumps({"cosine_to_minilm": figures, "texts": len(texts)}, indent=2))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
