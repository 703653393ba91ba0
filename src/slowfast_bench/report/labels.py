"""What figures of the smaller commands are called on a page; one that is not named here keeps its own name."""

RECALL_LABELS = {
    "raw_context_gain_db": "longer raw context over no memory, all gaps (dB)",
    "retrieval_gap_closed": "share of the way from no memory to the codec's ceiling",
    "ceiling_gap_closed": "share of the way from no memory to the codec's ceiling",
    "gain_over_frozen_db": "memory over a frozen last frame, all gaps (dB)",
    "readout_minus_memory_db": "read-out over memory, all gaps (dB)",
    "cost_ratio_shipped": "time with the memory over without",
    "cost_ratio_50_steps": "the same at 50 sampling steps",
    "chunk1000_over_chunk10": "time of chunk 1000 over that of chunk 10",
    "memory_mb": "size of the memory (MB)",
    **{
        f"recall_worst_5_percent_gain_db_{gap}": f"memory over no memory in the worst 5 % of the frames, {gap} (dB)"
        for gap in ("gap16", "gap64", "gap200")
    },
    **{
        f"recall_gain_db_{kind}_{gap}": f"memory over no memory on {words}, {gap} (dB)"
        for kind, words in (
            ("full_turn", "full turns"),
            ("out_and_back", "ways out and back"),
            ("loop", "loops"),
            ("retrace", "retraced walks"),
            ("bump", "ways into a wall and back"),
        )
        for gap in ("gap16", "gap64", "gap200")
    },
}

BENCH_LABELS = {
    "fps_memory_off": "frames a second, no memory",
    "fps_memory_on": "frames a second, memory",
    "memory_cost_ratio": "time with the memory over without",
    "memory_cost_ratio_paper": "the same for the paper's memory",
    "memory_cost_ratio_50_steps": "time with the memory over without, 50 sampling steps",
    "memory_cost_ratio_paper_50_steps": "the same for the paper's memory, 50 sampling steps",
    "fps_batch8_memory_off": "frames a second of 8 episodes side by side, no memory",
    "fps_batch8_memory_on": "frames a second of 8 episodes side by side, memory",
    "chunk200_over_chunk10": "time of chunk 200 over that of chunk 10",
    "encode_ms_per_frame": "encoding a frame (ms)",
    "decode_ms_per_frame": "decoding a frame (ms)",
    "peak_rss_mb": "most memory held by the process (MB)",
}

SMOKE_LABELS = {
    "action_following": "turns go the right way (share)",
    "action_following_five_way": "nearest of five true outcomes is the given one (share)",
    "action_following_flow": "picture moves the right way in turns (share)",
    "first_frame_gain_db": "first new frame over a copy of the past's last (dB)",
    "first_frame_psnr_db": "first new frame (dB)",
    "chunk_psnr_db": "new chunk after the true past (dB)",
    "codec_psnr_db": "codec alone, the ceiling of the above (dB)",
    "late_sharpness_ratio": "late sharpness over true, no memory",
    "late_sharpness_ratio_memory": "late sharpness over true, memory",
    "late_colour_spread_ratio": "late colour spread over true, no memory",
    "late_colour_spread_ratio_memory": "late colour spread over true, memory",
    "collapsed_share": "collapsed long videos, no memory (share)",
    "collapsed_share_memory": "collapsed long videos, memory (share)",
    "scuts": "cuts a long video, no memory",
    "scuts_memory": "cuts a long video, memory",
    "scuts_true": "cuts a true video",
    "motion_score": "motion, no memory",
    "motion_score_memory": "motion, memory",
    "motion_score_true": "motion, true",
    "revisit_psnr_db_copy": "revisit against the true frame: frozen last frame (dB)",
    "revisit_psnr_db_off": "revisit against the true frame: no memory (dB)",
    "revisit_gain_db_paper": "what the paper's memory adds to that (dB)",
    "revisit_gain_db_best": "what the shipped memory adds to that (dB)",
    "history_psnr_db_off": "revisit against the own earlier frame: no memory (dB)",
    "history_gain_db_paper": "what the paper's memory adds to that (dB)",
    "history_gain_db_best": "what the shipped memory adds to that (dB)",
    "src_mbv2_off": "revisit similarity (MobileNetV2, not SRC's network), no memory",
    "src_mbv2_gain_paper": "what the paper's memory adds to that",
    "src_mbv2_gain_best": "what the shipped memory adds to that",
}

CAPACITY_LABELS = {"recall_psnr_db_off": "the same frames without a memory: PSNR (dB)"}

SIGNIFICANT = {"evaluate smoke": SMOKE_LABELS, "bench": BENCH_LABELS}
"""Labels by command: what has one is shown, all else is folded."""

RULE_LABELS = {
    "off": "no memory",
    "denoising_original": "Temp-LoRA's own update",
    "denoising": "eq. 3 (the paper)",
    "replay": "eq. 3, replay",
    "local": "local (shipped)",
    "local_delta": "local, delta rule",
    "local_and_denoising": "local and eq. 3",
}
"""Rules of fast learning, as arms of `evaluate rules` have them."""
